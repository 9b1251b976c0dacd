from __future__ import annotations

from typing import Any

import pytest
import torch
from pointed_squares import SIDE, picture, things_in

from vlp_rvos.models.descriptors import FrameThings
from vlp_rvos.models.pointed_things import FollowedClip, Mark, MissedPoint, PointedThing, follow_things


def frame(**places: tuple[int, int]) -> FrameThings:
    return things_in(torch.from_numpy(picture(**places)).permute(2, 0, 1) / 255.0)


def follow(frames: list[FrameThings], *marks: Mark, things: tuple[PointedThing, ...] | None = None) -> FollowedClip:
    count = max(mark.thing for mark in marks) + 1 if things is None else len(things)
    return follow_things(frames, marks, things or (PointedThing(),) * count)


def corner(found: FollowedClip, t: int, row: int = 0) -> tuple[int, int] | None:
    """x and y in pixels of the upper left corner of a mask; None where it is empty or the thing is not there."""
    rows, columns = (found.mask_logits[row, t] > 0).nonzero().T
    if not len(rows) or found.presence_logits[row, t] < 0:
        return None
    return 4 * int(columns.min()), 4 * int(rows.min())


def at(x: int, y: int) -> tuple[float, float]:
    return x / SIDE, y / SIDE


def test_a_point_chooses_what_is_followed() -> None:
    frames = [frame(red=(4 * t, 0), green=(40, 40)) for t in range(4)]
    found = follow(frames, Mark(0, 0, (at(8, 8),)), Mark(1, 0, (at(44, 44),)))
    assert [corner(found, t) for t in range(4)] == [(0, 0), (4, 0), (8, 0), (12, 0)]
    assert [corner(found, t, 1) for t in range(4)] == [(40, 40)] * 4
    assert found.missed == ()


def test_nothing_is_there_before_the_point_and_after_the_thing_has_left() -> None:
    frames = [frame(red=(0, 0), green=(40, 40))] * 3 + [frame(green=(40, 40))] * 2
    found = follow(frames, Mark(0, 1, (at(8, 8),)))
    assert [corner(found, t) for t in range(5)] == [None, (0, 0), (0, 0), None, None]
    # It is found again where it comes back, in the next clip.
    again = follow([frame(green=(40, 40), red=(8, 0))], things=found.things)
    assert corner(again, 0) == (8, 0)


def test_looks_tell_things_apart_that_cross() -> None:
    frames = [frame(red=(x, 0), green=(40 - x, 8)) for x in range(0, 41, 8)]
    found = follow(frames, Mark(0, 0, (at(8, 2),)))
    assert [corner(found, t) for t in range(len(frames))] == [(x, 0) for x in range(0, 41, 8)]


def test_points_in_several_candidates_are_joined_and_a_later_point_takes_one_away() -> None:
    scene = frame(red=(0, 0), green=(40, 40), blue=(40, 0))
    found = follow([scene] * 3, Mark(0, 0, (at(8, 8), at(44, 44))), Mark(0, 2, (), (at(44, 44),)))
    masks = found.mask_logits[0] > 0
    assert masks[0].sum() == masks[1].sum() == 32
    assert masks[2].sum() == 16
    assert masks[2, 2, 2]
    assert not masks[2, 11, 11]


def test_a_part_of_a_larger_candidate_is_taken_away_and_stays_so() -> None:
    candidates, described = frame(red=(0, 0), green=(20, 0), blue=(40, 40))
    # The first candidate is the red and the green square together.
    candidates.mask_logits[0] = torch.maximum(candidates.mask_logits[0], candidates.mask_logits[1])
    found = follow([(candidates, described)] * 2, Mark(0, 0, (at(4, 4),), (at(28, 8),)))
    assert [(found.mask_logits[0, t] > 0).sum() for t in range(2)] == [16, 16]
    assert found.missed == ()


def test_a_point_beside_a_thing_means_it_and_one_far_from_all_means_nothing() -> None:
    scene = frame(red=(0, 0))
    assert corner(follow([scene], Mark(0, 0, (at(17, 8),))), 0) == (0, 0)
    found = follow([scene], Mark(0, 0, (at(60, 60),)))
    assert corner(found, 0) is None
    assert found.missed == (MissedPoint(0, 0, at(60, 60), True),)


def test_what_cannot_be_taken_away_is_reported() -> None:
    found = follow([frame(red=(0, 0))], Mark(0, 0, (at(4, 4),), (at(12, 12),)))
    assert found.missed == (MissedPoint(0, 0, at(12, 12), False),)
    assert corner(found, 0) == (0, 0)


@pytest.mark.parametrize(("left", "expected"), [(0, (0, 0)), (8, (8, 0))])
def test_a_drawn_mask_stands_for_a_candidate_or_for_itself(left: int, expected: Any) -> None:
    drawn = torch.zeros(SIDE // 4, SIDE // 4, dtype=torch.bool)
    drawn[:4, left // 4 : left // 4 + 4] = True
    look = torch.tensor([2.0, -1.0, -1.0]) / 6**0.5
    scene = frame(red=(0, 0), green=(40, 40))
    found = follow([scene, scene], Mark(0, 0, (), (), (drawn,), (look,)))
    assert corner(found, 0) == expected
    # It is followed by its look.
    assert corner(found, 1) == (0, 0)


def test_the_size_of_the_input_may_change() -> None:
    first = follow([frame(red=(8, 0), green=(40, 40))], Mark(0, 0, (at(12, 8),)))
    candidates, described = frame(red=(8, 0), green=(40, 40))
    larger = torch.nn.functional.interpolate(candidates.mask_logits[None], scale_factor=2.0)[0]
    scaled = type(candidates)(candidates.positions, candidates.objectness, candidates.boxes * 2, larger)
    found = follow([(scaled, described)], things=first.things)
    assert (found.mask_logits[0, 0] > 0)[:8, 4:12].all()
    assert found.presence_logits[0, 0] > 3
