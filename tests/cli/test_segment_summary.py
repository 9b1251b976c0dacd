from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.cli.segment_summary import MAX_SPANS, Appearance, SegmentSummary
from vlp_rvos.results import FrameResult


def frame(index: int, areas: tuple[int, int], scores: tuple[float, float]) -> FrameResult:
    """A frame of 4x4 pixels whose masks have so many pixels."""
    masks = np.stack([np.arange(16).reshape(4, 4) < area for area in areas])
    numbers = np.array(scores, np.float32)
    image = np.zeros((4, 4, 3), np.uint8)
    return FrameResult(index, index / 24, image, masks, numbers, numbers / 2, ("dog", "cat"), f"{index:05d}")


def appearance(times: str, step: float = 1.0) -> Appearance:
    """Frames `step` seconds apart; `#` has a mask, `.` none."""
    one = Appearance()
    for index, letter in enumerate(times):
        one.add(index * step, 0.5 + index / 100, 0.6, found=letter == "#")
    return one


@pytest.mark.parametrize(
    ("times", "step", "spans", "joined"),
    [
        ("....", 1.0, [], 0),
        ("..##.", 1.0, [(2, 3)], 0),
        ("##.#", 1.0, [(0, 1), (3, 3)], 0),
        # Frames that lie far apart, with none between them that lacks the mask.
        ("####", 20.0, [(0, 60)], 0),
        # An absence of 0.4 s between the frames around it is a short one.
        ("#.#..#", 0.2, [(0, 0.4), (1.0, 1.0)], 1),
    ],
)
def test_spans(times: str, step: float, spans: list[tuple[float, float]], joined: int) -> None:
    one = appearance(times, step)
    assert one.spans == [pytest.approx(span) for span in spans]
    assert (one.joined, one.frames) == (joined, times.count("#"))


def test_the_number_of_spans_is_bounded_and_all_of_them_are_covered() -> None:
    times = "#.#..#" + "...#" * 500
    one = appearance(times)
    assert len(one.spans) == MAX_SPANS
    assert one.joined == 502 - (MAX_SPANS - 1)
    # The shortest absences went first.
    assert one.spans[0][0] == 0
    assert one.spans[-1][1] == len(times) - 1
    assert all(first <= last for first, last in one.spans)
    assert all(any(a <= i <= b for a, b in one.spans) for i, letter in enumerate(times) if letter == "#")


def test_how_surely_it_was_found() -> None:
    one = appearance(".#.#")
    assert one.to_json() == {
        "found": True,
        "found_frames": 2,
        "spans": [[1, 1], [3, 3]],
        "joined_spans": 0,
        "score": pytest.approx(0.52),
        "highest_presence": 0.6,
    }
    assert appearance("..").to_json()["found"] is False


def test_means_over_frames() -> None:
    summary = SegmentSummary(["dog", "cat"])
    summary.add(frame(0, (8, 0), (1.0, 0.0)))
    summary.add(frame(1, (0, 0), (0.5, 0.0)))
    assert summary.frames == 2
    dog, cat = summary.expressions()
    assert dog == {
        **summary.found()[0],
        "expression": "dog",
        "mean_score": 0.75,
        "mean_presence": 0.375,
        "mean_area": 0.25,
        "present_share": 0.5,
    }
    assert [cat[key] for key in ("expression", "mean_score", "mean_area", "present_share")] == ["cat", 0, 0, 0]
