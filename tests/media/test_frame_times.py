"""Times of frames always grow, whatever the stamps in the file are like."""

from __future__ import annotations

import pytest

from vlp_rvos.media.frame_times import MAX_REORDER, FrameTimes, StampQueue, plausible_rate


@pytest.mark.parametrize(
    ("stamps", "times", "note"),
    [
        ([0, 1, 2.5, 9], [0, 1, 2.5, 9], None),
        ([0.5, 1, 3600], [0.5, 1, 3600], None),
        ([0, 1, 0, 1.5, 9], [0, 1, 2, 3.5, 11], "go back once, first at 2.00 s"),
        ([10, 11, 0, 1, 0], [10, 11, 12, 13, 14], "go back 2 times, first at 12.00 s"),
        ([0, 0, 0], [0, 1, 2], "go back 2 times"),
        ([None, None, 2], [0, 1, 2], "2 frames have no time stamp"),
        ([0, None, 1, 2], [0, 1, 2, 3], "go back once"),
    ],
)
def test_times_follow_the_stamps_and_grow(stamps: list[float | None], times: list[float], note: str | None) -> None:
    mended = FrameTimes(1.0)
    assert [mended.of(stamp) for stamp in stamps] == times
    assert (mended.note() is None) if note is None else note in str(mended.note())


def test_the_next_frame_has_the_earliest_stamp_that_waits() -> None:
    queue, shown = StampQueue(), []
    for stamp in (1, 2, 3, 4):
        queue.push(stamp)
    for own, stamp in ((1, 5), (4, 6), (3, 7), (5, 8), (2, 9)):
        shown.append(queue.pop(own))
        queue.push(stamp)
    assert shown == [1, 2, 3, 4, 5]


def test_stamps_of_packets_without_frames_do_not_wait_for_ever() -> None:
    queue = StampQueue()
    for stamp in range(100):
        queue.push(stamp)
    assert queue.pop(99) == 99 - MAX_REORDER
    assert StampQueue().pop(5) == 5


@pytest.mark.parametrize(
    ("first", "second", "stamps", "rate"),
    [
        (24, 25, [0, 1 / 24, 2 / 24], 24),
        (60000, 25, [0, 0.04, 0.08], 25),
        (60000, None, [0, 0.04, 0.08], 25),
        (24, None, [2 / 24, 0, 1 / 24, 0, 1 / 24], 24),
        (None, 25, [], 25),
        (None, None, [0], 30),
    ],
)
def test_the_rate_is_one_that_the_stamps_show(
    first: float | None, second: float | None, stamps: list[float], rate: float
) -> None:
    assert plausible_rate(first, second, stamps, 30.0) == pytest.approx(rate)
