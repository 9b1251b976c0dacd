from __future__ import annotations

import torch
from torch import Tensor

from vlp_rvos.models.agreement import Agreement, confidence_of

NONE = torch.tensor([-5.0])
ONE, SEVERAL = torch.tensor([0.0]), torch.tensor([1.0])


def join(
    agreement: Agreement, dense: Tensor, masks: Tensor, scores: Tensor, none: Tensor, several: Tensor = SEVERAL
) -> Tensor:
    """The joined masks of expressions that mean several things."""
    members = agreement.members(scores, several.expand(len(scores)))
    joined: Tensor = agreement(dense, masks, members, confidence_of(scores, none))
    return joined


def test_at_first_it_is_a_weighted_sum_of_logits() -> None:
    agreement = Agreement()
    dense, masks = torch.randn(1, 2, 4, 5), 3 * torch.randn(2, 1, 4, 5)
    joined = join(agreement, dense, masks, torch.tensor([[2.0]]), NONE)
    # The only candidate belongs to what is meant as far as the offset says.
    member = torch.tensor(3.5).sigmoid()
    chosen, others = (torch.logit(part * masks[:, 0].sigmoid()) for part in (member, 1 - member))
    expected = 0.35 * dense[0] + 0.65 * chosen - 0.15 * (others.clamp(min=-8.11) + 8)
    torch.testing.assert_close(joined[0], expected, atol=1e-3, rtol=1e-3)
    assert joined.dtype == torch.float32


def test_the_best_candidate_is_painted_and_others_are_cleared() -> None:
    agreement = Agreement()
    masks = torch.full((1, 2, 2, 4), -8.0)
    masks[0, 0, :, :2], masks[0, 1, :, 2:] = 8, 8
    undecided = torch.zeros(1, 1, 2, 4)
    joined = join(agreement, undecided, masks, torch.tensor([[6.0, -6.0]]), NONE)[0, 0] > 0
    assert joined.tolist() == [[True, True, False, False]] * 2
    close = torch.tensor([[6.0, 5.0]])
    assert (join(agreement, undecided, masks, close, NONE)[0, 0] > 0).all()
    only = join(agreement, undecided, masks, close, NONE, ONE)[0, 0] > 0
    assert only.tolist() == [[True, True, False, False]] * 2


def test_members() -> None:
    scores = torch.tensor([[1.0, 1.0, -1.0, float("-inf")]]).expand(3, -1)
    found = Agreement().members(scores, torch.tensor([0.0, 1.0, 0.5]))
    torch.testing.assert_close(found[:, :2], torch.tensor(3.5).sigmoid().expand(3, 2))
    torch.testing.assert_close(found[:, 2], torch.tensor([3.5 - 3.5 * 2, 3.5 - 1.5 * 2, 3.5 - 2.5 * 2]).sigmoid())
    assert not found[:, 3].any()


def test_candidates_that_are_not_there_change_nothing() -> None:
    agreement = Agreement()
    torch.nn.init.normal_(agreement.last.weight)
    dense, masks = torch.randn(2, 3, 4, 5), torch.randn(3, 4, 4, 5)
    scores, none = torch.randn(2, 4), torch.randn(2)
    masks[:, 3], scores[:, 3] = -8, float("-inf")
    torch.testing.assert_close(
        join(agreement, dense, masks, scores, none), join(agreement, dense, masks[:, :3], scores[:, :3], none)
    )


def test_expressions_may_have_masks_of_their_own() -> None:
    agreement = Agreement()
    torch.nn.init.normal_(agreement.last.weight)
    dense, masks, scores, none = torch.randn(2, 3, 4, 5), torch.randn(3, 4, 4, 5), torch.randn(2, 4), torch.randn(2)
    expected = join(agreement, dense, masks, scores, none)
    torch.testing.assert_close(join(agreement, dense, masks.expand(2, -1, -1, -1, -1), scores, none), expected)
    flipped = torch.stack([masks, masks.flip(1)])
    found = join(agreement, dense, flipped, torch.stack([scores[0], scores[1].flip(0)]), none)
    torch.testing.assert_close(found, expected)


def test_every_parameter_gets_a_gradient() -> None:
    agreement = Agreement()
    torch.nn.init.normal_(agreement.last.weight)
    scores = torch.tensor([[1.0, 0.2, float("-inf")]], requires_grad=True)
    dense, masks = (torch.randn(*shape, requires_grad=True) for shape in ((1, 2, 4, 5), (2, 3, 4, 5)))
    join(agreement, dense, masks, scores, NONE, torch.tensor([0.5])).square().mean().backward()
    for name, value in [*agreement.named_parameters(), ("scores", scores), ("dense", dense), ("masks", masks)]:
        assert value.grad is not None, name
        assert value.grad.any(), name
        assert value.grad.isfinite().all(), name
