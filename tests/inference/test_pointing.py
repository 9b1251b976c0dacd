from __future__ import annotations

import numpy as np
import pytest

import vlp_rvos
from vlp_rvos.errors import UserError
from vlp_rvos.inference.pointing import DrawnMask, Point, Pointing

MASK = np.ones((4, 6), bool)


def test_the_records_are_offered_by_the_package() -> None:
    assert vlp_rvos.Point is Point
    assert vlp_rvos.DrawnMask is DrawnMask


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 2), "x of a point"),
        ((1, float("nan")), "y of a point"),
        ((1, 2, -0.1), "time"),
        ((1, 2, float("inf")), "time"),
        ((1, 2, 0, True, " "), "name"),
        ((1, 2, 0, True, "\u200d"), "name"),
    ],
)
def test_wrong_points_are_refused(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Point(*arguments)


def test_wrong_masks_are_refused() -> None:
    with pytest.raises(UserError, match="bool"):
        DrawnMask(MASK.astype(np.uint8))
    with pytest.raises(UserError, match="empty"):
        DrawnMask(~MASK)
    with pytest.raises(UserError, match="6x4, but the video is 9x8"):
        DrawnMask(MASK).check_size((8, 9))
    DrawnMask(MASK).check_size((4, 6))


def test_things_are_named_in_the_order_in_which_they_are_given() -> None:
    pointing = Pointing.of([Point(1, 1, 2.0, name="cup"), Point(2, 2, name="cat"), Point(3, 3, 1.0, False, "cat")])
    assert pointing.names == ("cup", "cat")
    assert len(pointing) == 2
    assert pointing.first_time("cup") == 2.0
    assert [prompt.time for prompt in pointing.prompts] == [0.0, 1.0, 2.0]


def test_a_thing_begins_with_what_belongs_to_it() -> None:
    with pytest.raises(UserError, match="'thing 1': first point at the thing itself"):
        Pointing.of([Point(1, 1, 0, False), Point(1, 1, 1)])


def test_a_prompt_means_the_first_frame_at_or_after_its_time() -> None:
    pointing = Pointing.of([Point(0, 0), Point(1, 1, 0.5), Point(2, 2, 0.55)])
    frames = [0.0, 0.4996, 0.6, 1.0]
    before, found = -np.inf, []
    for time in frames:
        found.append([prompt.time for prompt in pointing.between(before, time)])
        before = time
    # Times in files are rounded: 0.4996 is 0.5.
    assert found == [[0.0], [0.5], [0.55], []]


@pytest.mark.parametrize(("start", "end"), [(1.0, None), (None, 0.5)])
def test_times_outside_of_the_selection_are_refused(start: float | None, end: float | None) -> None:
    with pytest.raises(UserError, match="not between start and end"):
        Pointing.of([Point(1, 1, 0.5)]).check((9, 9), start, end)


def test_places_and_times_outside_of_the_video_are_refused() -> None:
    pointing = Pointing.of([Point(6, 1, 2)])
    with pytest.raises(UserError, match=r"6,1@2.*outside of the frame, which is 6 pixels wide"):
        pointing.check((4, 6), None, None)
    with pytest.raises(UserError, match=r"the last frame of the video is at 1.5 s"):
        pointing.check_length(1.5)
    pointing.check((4, 7), None, None)
    pointing.check_length(2.0)
