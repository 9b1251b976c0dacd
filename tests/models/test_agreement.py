from __future__ import annotations

import torch
from torch import Tensor

from vlp_rvos.models.agreement import Agreement, confidence_of, shared_parts

NONE = torch.tensor([-5.0])
#: Probabilities that more than 1, 2, 3 things are meant.
ONE, SOME, FOUR = torch.tensor([0.0, 0, 0]), torch.tensor([1.0, 0, 0]), torch.tensor([1.0, 1, 1])


def one_thing(count: int) -> Tensor:
    """Masks of candidates that are all the same."""
    return torch.ones(1, count, 2, 2)


def join(
    agreement: Agreement, dense: Tensor, masks: Tensor, scores: Tensor, none: Tensor, more_than: Tensor = SOME
) -> Tensor:
    """The joined masks of expressions that mean several things, where all candidates are parts of one thing.

    The candidates' masks are the same for all expressions.
    """
    members = agreement.members(scores, more_than.expand(len(scores), -1), one_thing(scores.shape[1]))
    joined: Tensor = agreement(dense, [masks] * len(dense), members.part, confidence_of(scores, none))
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
    members = Agreement().members(scores, torch.stack([ONE, SOME, SOME / 2]), one_thing(4))
    assert not members.counted.any()
    assert members.separate.tolist() == [[True, False, False, False]] * 3
    found = members.part
    torch.testing.assert_close(found[:, :2], torch.tensor(3.5).sigmoid().expand(3, 2))
    torch.testing.assert_close(found[:, 2], torch.tensor([3.5 - 3.5 * 2, 3.5 - 1.5 * 2, 3.5 - 2.5 * 2]).sigmoid())
    assert not found[:, 3].any()


def test_where_several_are_meant_the_next_best_ones_belong_to_it() -> None:
    scores = torch.tensor([9.0, 0.0, -1.0, -2.0, -3.0, -4.0, float("-inf")]).expand(4, -1)
    masks = -torch.ones(1, 7, 7, 8)
    for k in range(7):
        masks[0, k, k] = 1
    # A part of the best one, and a double of the next.
    masks[0, 1] = -1
    masks[0, 1, 0, :2] = 1
    masks[0, 3] = masks[0, 2]
    doubtful = torch.tensor([0.8, 0.4, 0.1])
    numbers = torch.stack([ONE, SOME, FOUR, doubtful])
    members = Agreement().members(scores, numbers, masks)
    found, alone = members.part, Agreement().members(scores, numbers, one_thing(7)).part
    assert torch.equal(found[0], alone[0])
    expected = torch.zeros(4, 7)
    expected[1, 2] = 1
    expected[2, [2, 4, 5]] = 1
    expected[3, 2], expected[3, 4], expected[3, 5] = doubtful
    torch.testing.assert_close(found, torch.maximum(torch.tensor(3.5).sigmoid() * expected, alone))
    assert torch.equal(members.counted, expected > 0)
    expected[:, 0] = 1
    assert torch.equal(members.separate, expected > 0.5)


def test_of_equal_scores_the_first_ones_are_counted() -> None:
    masks = -torch.ones(1, 40, 40, 4)
    for k in range(40):
        masks[0, k, k] = 1
    members = Agreement().members(torch.zeros(1, 40), FOUR[None], masks)
    assert members.separate[0].nonzero()[:, 0].tolist() == [0, 1, 2, 3]
    # Their scores are enough.
    assert not members.counted.any()


def test_what_has_no_second_thing_is_one_thing() -> None:
    members = Agreement().members(torch.tensor([[3.0]]), FOUR[None], one_thing(1))
    assert members.separate.tolist() == [[True]]
    assert members.counted.tolist() == [[False]]
    none = Agreement().members(torch.zeros(0, 3), torch.zeros(0, 3), one_thing(3))
    assert none.part.shape == none.separate.shape == none.counted.shape == (0, 3)
    assert none.smallest_share(one_thing(3)).shape == (0,)


def test_how_small_the_smallest_thing_is() -> None:
    masks = -torch.ones(2, 3, 4, 8)
    # The best one, of which a frame shows less, a larger one, and a small one.
    masks[0, 0, :2, :4] = masks[1, 0, :1, :4] = masks[:, 1, 2:, :] = masks[:, 2, 0, 6:] = 1
    scores = torch.tensor([9.0, 5.0, 1.0]).expand(3, -1)
    members = Agreement().members(scores, torch.stack([ONE, SOME, FOUR]), masks)
    assert members.smallest_share(masks).tolist() == [1.0, 0.5, 0.125]
    assert members.smallest_share(-masks.abs()).tolist() == [0.0, 0.0, 0.0]


def test_shared_parts() -> None:
    masks = torch.full((2, 4, 4, 8), -1.0)
    masks[0, 0, :, :4] = 1
    masks[0, 1, :2, :4] = 1
    masks[0, 2, :, 2:] = 1
    found = shared_parts(masks)
    # The fourth is empty.
    assert found.tolist() == [[1, 1, 0.5, 1], [1, 1, 0.5, 1], [0.5, 0.5, 1, 1], [1, 1, 1, 1]]
    assert torch.equal(shared_parts(masks[:1].repeat(3, 1, 1, 1)), found)
    # A single position, wherever it lies.
    small = torch.full((1, 2, 9, 9), -1.0)
    small[0, 0, 3, 5] = small[0, 1, 3, 6] = 1
    assert shared_parts(small).tolist() == [[1, 0], [0, 1]]


def test_only_frames_that_show_both_are_compared() -> None:
    masks, seen = torch.full((6, 3, 8, 8), -8.0), torch.zeros(6, 3, dtype=torch.bool)
    # The same thing in two tracks, of which one frame shows both, and another thing.
    masks[:4, 0, :4, :4] = masks[3:, 1, :4, :4] = masks[:, 2, 4:, 4:] = 8
    seen[:4, 0] = seen[3:, 1] = seen[:, 2] = True
    assert shared_parts(masks, seen).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    members = Agreement().members(torch.tensor([[9.0, 2, -3]]), SOME[None], masks, seen)
    assert members.counted.tolist() == [[False, False, True]]
    # None shows the first two together.
    masks[3, 0], seen[3, 0] = -8.0, False
    assert shared_parts(masks, seen).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_candidates_that_are_not_there_change_nothing() -> None:
    agreement = Agreement()
    torch.nn.init.normal_(agreement.last.weight)
    dense, masks = torch.randn(2, 3, 4, 5), torch.randn(3, 4, 4, 5)
    scores, none = torch.randn(2, 4), torch.randn(2)
    masks[:, 3], scores[:, 3] = -8, float("-inf")
    torch.testing.assert_close(
        join(agreement, dense, masks, scores, none), join(agreement, dense, masks[:, :3], scores[:, :3], none)
    )


def test_expressions_have_masks_of_their_own() -> None:
    agreement = Agreement()
    torch.nn.init.normal_(agreement.last.weight)
    dense, masks, scores, none = torch.randn(2, 3, 4, 5), torch.randn(3, 4, 4, 5), torch.randn(2, 4), torch.randn(2)
    expected = join(agreement, dense, masks, scores, none)
    scores[1] = scores[1].flip(0)
    members = agreement.members(scores, SOME.expand(2, -1), one_thing(4))
    found = agreement(dense, iter([masks, masks.flip(1)]), members.part, confidence_of(scores, none))
    torch.testing.assert_close(found, expected)


def test_no_expressions() -> None:
    nothing = torch.zeros(0, 3)
    assert Agreement()(torch.zeros(0, 2, 4, 5), [], nothing, nothing[:, 0]).shape == (0, 2, 4, 5)


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
