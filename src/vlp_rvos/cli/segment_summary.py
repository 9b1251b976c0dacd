"""Numbers about the masks of one run of `vlp-rvos segment`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlp_rvos.results import FrameResult
from vlp_rvos.utils.plain_text import shorten

__all__ = ["SegmentSummary"]

#: Length from which on an expression is shortened where it is shown, in characters.
MAX_NAME = 80


class SegmentSummary:
    """Means over the frames so far, for each expression.

    Args:
        expressions: what is looked for, in the order of the masks.
        pointed: number of the last of them that are names of things that were pointed at.

    Attributes:
        frames: number of frames that were added.
    """

    def __init__(self, expressions: Sequence[str], pointed: int = 0) -> None:
        self.names, self._words = expressions, len(expressions) - pointed
        self.frames = 0
        self.found = [_Found() for _ in expressions]
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
            if area > 0:
                self.found[i].add(result.time, float(result.scores[i]))
            self.found[i].best_presence = max(self.found[i].best_presence, float(result.presences[i]))

    def expressions(self) -> list[dict[str, Any]]:
        """For each expression, as JSON values in [0, 1].

        `pointed` is there and true where the expression is the name of a thing that was pointed at; `mean_area` is the
        share of the frame that the mask covers, `present_share` the share of the frames that have a mask.
        """
        return [
            {"expression": name}
            | ({"pointed": True} if i >= self._words else {})
            | {key: round(value / self.frames, 6) for key, value in sums.items()}
            for i, (name, sums) in enumerate(zip(self.names, self.sums, strict=True))
        ]

    def describe(self) -> str:
        """For each expression, in words: whether it was found, in how many frames, when, and how surely."""
        found = zip(self.names, self.found, strict=True)
        return "; ".join(f"{shorten(name, MAX_NAME)}: {one.describe(self.frames)}" for name, one in found)


@dataclass
class _Found:
    """The frames in which an expression has a mask."""

    frames: int = 0
    first_time: float = 0.0
    last_time: float = 0.0
    score_sum: float = 0.0
    best_presence: float = 0.0

    def add(self, time: float, score: float) -> None:
        if not self.frames:
            self.first_time = time
        self.frames, self.last_time, self.score_sum = self.frames + 1, time, self.score_sum + score

    def describe(self, frames: int) -> str:
        if not self.frames:
            return f"not found (highest presence {self.best_presence:.2f})"
        when = f"{self.first_time:.2f} s to {self.last_time:.2f} s"
        return f"in {self.frames} of {frames} frames, {when}, mean score {self.score_sum / self.frames:.2f}"
