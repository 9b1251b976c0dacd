from __future__ import annotations

import torch
from torch import Tensor

from vlp_rvos.models.candidates import Proposals
from vlp_rvos.training.proposal_targets import assign, boxes_of, cells_of


def proposals(boxes: list[list[float]], centres: list[list[float]], strides: list[float]) -> Proposals:
    nothing = torch.zeros(1, 1)
    return Proposals(
        torch.zeros(1, len(boxes)),
        torch.tensor([boxes]),
        None,
        [],
        torch.tensor(centres),
        torch.tensor(strides),
        nothing,
    )


def block(left: int, top: int, right: int, bottom: int) -> Tensor:
    """A mask of 32 x 32 positions with a block, in positions."""
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def test_boxes_are_in_pixels() -> None:
    masks = torch.stack([block(2, 3, 5, 7), block(0, 0, 32, 32)])
    assert boxes_of(masks).tolist() == [[8, 12, 20, 28], [0, 0, 128, 128]]


def test_cells_hold_the_centres() -> None:
    rows, columns = cells_of(torch.tensor([[4.0, 12.0], [130.0, 3.0]]), torch.Size((32, 32)))
    assert (rows.tolist(), columns.tolist()) == ([3, 0], [1, 31])


def test_a_thing_gets_as_many_positions_as_its_overlaps_sum_to() -> None:
    masks = block(8, 8, 24, 24)[None]
    thing = [32.0, 32.0, 96.0, 96.0]
    half = [32.0, 32.0, 96.0, 64.0]
    # Three boxes fit, one covers half, and the last one fits, but its centre lies outside.
    found = assign(
        proposals([thing, thing, thing, half, thing], [[60, 60], [64, 64], [68, 68], [60, 68], [8, 8]], [8.0] * 5),
        0,
        masks,
        boxes_of(masks),
    )
    assert found.overlaps.tolist() == [[1, 1, 1, 0.5, 1]]
    # 1 + 1 + 1 + 0.5 = 3.5 allows three.
    assert found.positions.tolist() == [0, 1, 2]
    assert found.things.tolist() == [0, 0, 0]


def test_each_position_learns_the_thing_for_which_it_is_cheapest() -> None:
    masks = torch.stack([block(8, 8, 24, 24), block(12, 12, 20, 20)])
    large, small = [32.0, 32.0, 96.0, 96.0], [48.0, 48.0, 80.0, 80.0]
    found = assign(proposals([large, small], [[62, 62], [66, 66]], [8.0, 8.0]), 0, masks, boxes_of(masks))
    assert dict(zip(found.positions.tolist(), found.things.tolist(), strict=True)) == {0: 0, 1: 1}


def test_the_stride_that_suits_the_size_is_preferred() -> None:
    masks = block(0, 0, 32, 32)[None]
    box = [[0.0, 0.0, 128.0, 128.0]] * 3
    # A box of 128 pixels has 8 strides of 16. With overlaps of a third in sum there is one position.
    worse = [[0.0, 0.0, 42.0, 42.0]] * 3
    found = assign(proposals(worse, [[64, 64]] * 3, [8.0, 16.0, 32.0]), 0, masks, boxes_of(masks))
    assert found.positions.tolist() == [1]
    assert len(assign(proposals(box, [[64, 64]] * 3, [8.0, 16.0, 32.0]), 0, masks, boxes_of(masks)).positions) == 3


def test_a_thing_far_from_every_position_gets_the_nearest_one() -> None:
    masks = block(0, 0, 1, 1)[None]
    found = assign(
        proposals([[0.0, 0.0, 8.0, 8.0]] * 2, [[48, 48], [112, 112]], [32.0, 32.0]), 0, masks, boxes_of(masks)
    )
    assert found.positions.tolist() == [0]
