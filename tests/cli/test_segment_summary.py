from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.cli.segment_summary import SegmentSummary
from vlp_rvos.results import FrameResult


def frame(index: int, areas: tuple[int, int], scores: tuple[float, float]) -> FrameResult:
    """A frame of 4x4 pixels whose masks have so many pixels."""
    masks = np.stack([np.arange(16).reshape(4, 4) < area for area in areas])
    numbers = np.array(scores, np.float32)
    image = np.zeros((4, 4, 3), np.uint8)
    return FrameResult(index, index / 24, image, masks, numbers, numbers / 2, ("dog", "cat"), f"{index:05d}")


def test_what_was_found_in_words() -> None:
    summary = SegmentSummary(["dog", "c" * 200])
    for index, areas in enumerate([(0, 0), (8, 0), (0, 0), (4, 0), (0, 0)]):
        summary.add(frame(24 * index, areas, (0.5 + index / 10 if areas[0] else 0.0, 0.0 if index else 0.06)))
    dog, cat = summary.describe().split("; ")
    assert dog == "dog: in 2 of 5 frames, 1.00 s to 3.00 s, mean score 0.70"
    assert cat.startswith("cccc")
    assert cat.endswith("cccc: not found (highest presence 0.03)")
    assert len(cat) < 200


def test_means_over_frames() -> None:
    summary = SegmentSummary(["dog", "cat"])
    summary.add(frame(0, (8, 0), (1.0, 0.0)))
    summary.add(frame(1, (0, 0), (0.5, 0.0)))
    assert summary.frames == 2
    dog, cat = summary.expressions()
    assert dog == {
        "expression": "dog",
        "mean_score": 0.75,
        "mean_presence": 0.375,
        "mean_area": 0.25,
        "present_share": 0.5,
    }
    assert cat == pytest.approx(
        {"expression": "cat", "mean_score": 0, "mean_presence": 0, "mean_area": 0, "present_share": 0}
    )
