"""Numbers about the masks of one run of `vlp-rvos segment`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vlp_rvos.results import FrameResult

__all__ = ["SegmentSummary"]


class SegmentSummary:
    """Means over the frames so far, for each expression.

    Args:
        expressions: what is looked for, in the order of the masks.

    Attributes:
        frames: number of frames that were added.
    """

    def __init__(self, expressions: Sequence[str]) -> None:
        self.names = expressions
        self.frames = 0
        self.sums = [
            dict.fromkeys(("mean_score", "mean_presence", "mean_area", "present_share"), 0.0) for _ in expressions
        ]

    def add(self, result: FrameResult) -> None:
        """Count in a frame."""
        self.frames += 1
        for i, sums in enumerate(self.sums):
            area = np.count_nonzero(result.masks[i]) / result.masks[i].size
            sums["mean_score"] += float(result.scores[i])
            sums["mean_presence"] += float(result.presences[i])
            sums["mean_area"] += area
            sums["present_share"] += area > 0

    def expressions(self) -> list[dict[str, Any]]:
        """For each expression, as JSON values in [0, 1].

        `mean_area` is the share of the frame that the mask covers, `present_share` the share of the frames that have a
        mask.
        """
        return [
            {"expression": name} | {key: round(value / self.frames, 6) for key, value in sums.items()}
            for name, sums in zip(self.names, self.sums, strict=True)
        ]
