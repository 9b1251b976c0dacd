from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from vlp_rvos.models.vlp_rvos import ClipOutput
from vlp_rvos.training.losses import LossWeights, clip_losses, dice_loss, mask_bce, no_loss


def output(mask_logits: Tensor, **parts: Tensor) -> ClipOutput:
    return ClipOutput(mask_logits, history=torch.zeros(len(mask_logits), mask_logits.shape[1], 4), **parts)


def square(batch: int = 1, frames: int = 2, size: int = 8) -> Tensor:
    masks = torch.zeros(batch, frames, size, size, dtype=torch.bool)
    masks[..., :4, :4] = True
    return masks


def test_cross_entropy_of_undecided_logits_is_ln_2() -> None:
    assert mask_bce(torch.zeros(1, 2, 8, 8), square().float()).item() == pytest.approx(math.log(2))


def test_dice_of_undecided_logits() -> None:
    # 64 pixels at 0.5 and 16 of the target: overlap 8, sums 32 and 16.
    assert dice_loss(torch.zeros(1, 2, 8, 8), square().float()).item() == pytest.approx(1 - 17 / 49)


def test_dice_averages_over_frames_and_leaves_out_empty_ones() -> None:
    masks = square().float()
    masks[:, 1] = 0
    logits = torch.zeros(1, 2, 8, 8, requires_grad=True)
    loss = dice_loss(logits, masks)
    loss.backward()
    assert loss.item() == pytest.approx((1 - 17 / 49) / 2)
    assert logits.grad is not None
    assert logits.grad[:, 0].abs().min() > 0
    assert logits.grad[:, 1].abs().max() == 0


def test_absent_target_is_pulled_to_zero_everywhere() -> None:
    logits = torch.zeros(1, 2, 8, 8, requires_grad=True)
    losses = clip_losses(output(logits), torch.zeros(1, 2, 8, 8, dtype=torch.bool))
    losses.total.backward()
    assert losses.dice.item() == 0
    assert logits.grad is not None
    assert (logits.grad > 0).all()


def test_gradient_grows_the_target_and_shrinks_the_rest() -> None:
    logits = torch.randn(2, 2, 8, 8, requires_grad=True)
    masks = square(2)
    clip_losses(output(logits), masks).total.backward()
    assert logits.grad is not None
    assert (logits.grad[masks] < 0).all()
    assert (logits.grad[~masks] > 0).all()


def test_a_certain_and_right_prediction_costs_nothing() -> None:
    masks = square()
    certain = torch.where(masks, 100.0, -100.0)
    coarse = torch.where(masks[..., ::4, ::4], 100.0, -100.0)
    losses = clip_losses(
        output(
            certain,
            score_logits=coarse,
            presence_logits=torch.full((1, 2), 100.0),
            clip_presence_logits=torch.full((1,), 100.0),
        ),
        masks,
    )
    assert losses.bce.item() == pytest.approx(0, abs=1e-6)
    assert losses.dice.item() == pytest.approx(0, abs=1e-6)
    assert losses.presence.item() == pytest.approx(0, abs=1e-6)
    assert losses.score_dice < 0.3  # the coarse grid cannot follow the outline exactly


def test_total_is_the_weighted_sum() -> None:
    losses = clip_losses(
        output(
            torch.randn(1, 2, 8, 8),
            score_logits=torch.randn(1, 2, 2, 2),
            presence_logits=torch.randn(1, 2),
            clip_presence_logits=torch.randn(1),
        ),
        square(),
        LossWeights(bce=1, dice=10, score_bce=100, score_dice=1000, presence=10000),
    )
    parts = (losses.bce, losses.dice, losses.score_bce, losses.score_dice, losses.presence)
    assert losses.total.item() == pytest.approx(sum(10**i * part.item() for i, part in enumerate(parts)), rel=1e-5)


def test_default_weights_are_those_of_the_release() -> None:
    assert LossWeights() == LossWeights(bce=2, dice=5, score_bce=2, score_dice=5, presence=1)


def test_constant_score_map_is_supervised_like_a_mask() -> None:
    undecided = output(torch.zeros(1, 2, 8, 8), score_logits=torch.zeros(1, 2, 2, 2))
    losses = clip_losses(undecided, square())
    assert losses.score_bce.item() == losses.bce.item()
    assert losses.score_dice.item() == losses.dice.item()


def test_presence_is_of_each_frame_and_of_the_clip() -> None:
    masks = square()
    masks[:, 1] = False
    right_in_frames = output(
        torch.zeros(1, 2, 8, 8),
        presence_logits=torch.tensor([[100.0, -100.0]]),
        clip_presence_logits=torch.zeros(1),
    )
    assert clip_losses(right_in_frames, masks).presence.item() == pytest.approx(math.log(2) / 2)


def test_terms_that_are_switched_off_are_zero() -> None:
    losses = clip_losses(output(torch.zeros(1, 2, 8, 8)), square())
    assert losses.score_bce.item() == losses.score_dice.item() == losses.presence.item() == 0


def test_losses_are_in_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        losses = clip_losses(output(torch.zeros(1, 2, 8, 8, dtype=torch.bfloat16)), square())
    assert losses.total.dtype == torch.float32
    assert losses.dice.item() == pytest.approx(1 - 17 / 49, rel=1e-6)


def test_extreme_logits_stay_finite() -> None:
    logits = torch.full((1, 2, 8, 8), 1e4, requires_grad=True)
    total = clip_losses(output(logits), ~square()).total
    total.backward()
    assert logits.grad is not None
    assert torch.isfinite(total)
    assert torch.isfinite(logits.grad).all()


def test_masks_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        clip_losses(output(torch.zeros(1, 2, 8, 8)), square(size=4))


def full_output(batch: int, frames: int) -> ClipOutput:
    return output(
        torch.randn(batch, frames, 8, 8, requires_grad=True),
        score_logits=torch.randn(batch, frames, 2, 2),
        presence_logits=torch.randn(batch, frames),
        clip_presence_logits=torch.randn(batch),
    )


def part(whole: ClipOutput, frames: slice) -> ClipOutput:
    assert whole.score_logits is not None
    assert whole.presence_logits is not None
    return output(
        whole.mask_logits[:, frames],
        score_logits=whole.score_logits[:, frames],
        presence_logits=whole.presence_logits[:, frames],
        clip_presence_logits=whole.clip_presence_logits,
    )


def test_supervising_all_frames_changes_nothing() -> None:
    whole = full_output(2, 3)
    supervised = torch.ones(2, 3, dtype=torch.bool)
    with_flags = clip_losses(whole, square(2, 3), supervised=supervised).detached()
    for name, value in clip_losses(whole, square(2, 3)).detached().items():
        assert with_flags[name].item() == pytest.approx(value.item(), rel=1e-6)


def test_unsupervised_frames_are_ignored() -> None:
    whole, masks = full_output(2, 3), square(2, 3)
    supervised = torch.tensor([[True, True, False]]).expand(2, -1)
    masks[:, 2] = False
    losses = clip_losses(whole, masks, supervised=supervised)
    expected = clip_losses(part(whole, slice(0, 2)), masks[:, :2]).detached()
    for name, value in losses.detached().items():
        assert value.item() == pytest.approx(expected[name].item(), rel=1e-5), name
    losses.total.backward()
    assert whole.mask_logits.grad is not None
    assert whole.mask_logits.grad[:, 2].abs().max() == 0
    assert whole.mask_logits.grad[:, :2].abs().min() > 0


def test_means_are_over_the_supervised_frames_of_all_expressions() -> None:
    whole, masks = full_output(2, 2), square(2, 2)
    supervised = torch.tensor([[True, True], [False, True]])
    masks[1, 0] = False
    each = [
        clip_losses(output(whole.mask_logits[e : e + 1, t : t + 1]), masks[e : e + 1, t : t + 1])
        for e, t in ((0, 0), (0, 1), (1, 1))
    ]
    losses = clip_losses(whole, masks, supervised=supervised)
    assert losses.bce.item() == pytest.approx(sum(x.bce.item() for x in each) / 3, rel=1e-5)
    assert losses.dice.item() == pytest.approx(sum(x.dice.item() for x in each) / 3, rel=1e-5)


def test_presence_in_a_clip_is_learned_only_where_it_is_known() -> None:
    shown, unknown, absent = square(1, 2), torch.zeros_like(square(1, 2)), torch.zeros_like(square(1, 2))
    shown[:, 1] = False
    whole = output(
        torch.zeros(3, 2, 8, 8), presence_logits=torch.zeros(3, 2), clip_presence_logits=torch.tensor([1.0, 7.0, -2.0])
    )
    supervised = torch.tensor([[True, False], [True, False], [True, True]])
    losses = clip_losses(whole, torch.cat([shown, unknown, absent]), supervised=supervised)
    of_clip = (math.log1p(math.exp(-1)) + math.log1p(math.exp(-2))) / 2
    assert losses.presence.item() == pytest.approx((math.log(2) + of_clip) / 2)


def test_presence_stays_finite_if_it_is_known_for_no_clip() -> None:
    whole = full_output(1, 2)
    losses = clip_losses(whole, torch.zeros(1, 2, 8, 8, dtype=torch.bool), supervised=torch.tensor([[True, False]]))
    assert torch.isfinite(losses.total)


def test_a_clip_without_supervised_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="no frame is supervised"):
        clip_losses(full_output(1, 2), square(), supervised=torch.zeros(1, 2, dtype=torch.bool))


def test_masks_of_absent_expressions_can_count_less() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 2, 8, 8)
    masks = square(2)
    masks[1] = False
    refers = torch.tensor([True, False])

    def bce(absent: float, supervised: Tensor | None = None) -> float:
        return clip_losses(output(logits), masks, LossWeights(absent=absent), supervised, refers).bce.item()

    first, second = (mask_bce(logits[i], masks[i].float()).item() for i in (0, 1))
    assert bce(1.0) == pytest.approx((first + second) / 2)
    assert bce(0.25) == pytest.approx((first + second / 4) / 2)
    assert clip_losses(output(logits), masks, LossWeights(absent=0.25)).bce.item() == pytest.approx(bce(1.0))
    # Of three supervised frames two are of the first expression.
    frames = [mask_bce(logits[b, t], masks[b, t].float()).item() for b, t in ((0, 0), (0, 1), (1, 1))]
    supervised = torch.tensor([[True, True], [False, True]])
    assert bce(0.0, supervised) == pytest.approx((frames[0] + frames[1]) / 3)


def test_no_loss_depends_on_every_output_and_moves_none() -> None:
    logits = [torch.full(shape, math.inf, requires_grad=True) for shape in ((1, 2, 8, 8), (1, 2, 2, 2), (1, 2), (1,))]
    mask, score, frame, clip = logits
    loss = no_loss(output(mask, score_logits=score, presence_logits=frame, clip_presence_logits=clip))
    loss.backward()
    assert loss.item() == 0
    assert all(tensor.grad is not None and not tensor.grad.any() for tensor in logits)
    assert no_loss(output(mask)).item() == 0
