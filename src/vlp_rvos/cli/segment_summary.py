"""Numbers about the masks of one run of `vlp-rvos segment`: means, and when each expression was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vlp_rvos.results import FrameResult

__all__ = ["MAX_SPANS", "Appearance", "SegmentSummary"]

#: Absences that are shorter than this, in seconds, do not end a span of time.
SHORT_ABSENCE = 0.5
#: Spans of time that are kept for each expression.
MAX_SPANS = 8


class SegmentSummary:
    """What the frames so far say about each expression, in a few numbers, however long the video is.

    Args:
        expressions: what is looked for, in the order of the masks.
        pointed: number of the last of them that are names of things that were pointed at.

    Attributes:
        frames: number of frames that were added.
        appearances: for each expression, when it was found.
    """

    def __init__(self, expressions: Sequence[str], pointed: int = 0) -> None:
        self.names, self._words = expressions, len(expressions) - pointed
        self.frames = 0
        self.appearances = [Appearance() for _ in expressions]
        self.sums = [
            dict.fromkeys(("mean_score", "mean_presence", "mean_area", "present_share"), 0.0) for _ in expressions
        ]

    def add(self, result: FrameResult) -> None:
        """Count in a frame."""
        self.frames += 1
        for i, sums in enumerate(self.sums):
            area = np.count_nonzero(result.masks[i]) / result.masks[i].size
            score, presence = float(result.scores[i]), float(result.presences[i])
            sums["mean_score"] += score
            sums["mean_presence"] += presence
            sums["mean_area"] += area
            sums["present_share"] += area > 0
            self.appearances[i].add(result.time, score, presence, found=area > 0)

    def expressions(self) -> list[dict[str, Any]]:
        """For each expression, as JSON values; shares and means are in [0, 1].

        `pointed` is there and true where the expression is the name of a thing that was pointed at; `mean_area` is the
        share of the frame that the mask covers, `present_share` the share of the frames that have a mask. The other
        keys are those of `found`.
        """
        return [
            {"expression": name}
            | ({"pointed": True} if i >= self._words else {})
            | {key: round(value / self.frames, 6) for key, value in sums.items()}
            | one.to_json()
            for i, (name, sums, one) in enumerate(zip(self.names, self.sums, self.appearances, strict=True))
        ]

    def found(self) -> list[dict[str, Any]]:
        """For each expression, as JSON values: whether, when and how surely it was found; see `Appearance`."""
        return [{"expression": name} | one.to_json() for name, one in zip(self.names, self.appearances, strict=True)]


@dataclass
class Appearance:
    """The frames in which an expression has a mask.

    Attributes:
        frames: number of these frames.
        spans: first and last time in seconds of each span of such frames, at most `MAX_SPANS`. Absences shorter than
            `SHORT_ABSENCE` do not end a span. Where there are too many spans, those with the shortest absence between
            them are joined.
        joined: number of absences that the spans leave out.
        score_sum: sum of the scores of these frames.
        highest_presence: highest presence of any frame.
    """

    frames: int = 0
    spans: list[tuple[float, float]] = field(default_factory=list)
    joined: int = 0
    score_sum: float = 0.0
    highest_presence: float = 0.0
    _absent: bool = False

    @property
    def score(self) -> float:
        """Mean score of the frames with a mask, in [0, 1]; 0 without any."""
        return self.score_sum / max(1, self.frames)

    def add(self, time: float, score: float, presence: float, *, found: bool) -> None:
        """Count in the next frame."""
        self.highest_presence = max(self.highest_presence, presence)
        if not found:
            self._absent = True
            return
        self.frames, self.score_sum = self.frames + 1, self.score_sum + score
        if self.spans and (not self._absent or time - self.spans[-1][1] < SHORT_ABSENCE):
            self.joined += self._absent
            self.spans[-1] = self.spans[-1][0], time
        else:
            self.spans.append((time, time))
            if len(self.spans) > MAX_SPANS:
                self._join_nearest()
        self._absent = False

    def to_json(self) -> dict[str, Any]:
        """As JSON values. `score` is the mean score of the frames with a mask."""
        return {
            "found": self.frames > 0,
            "found_frames": self.frames,
            "spans": [[round(first, 6), round(last, 6)] for first, last in self.spans],
            "joined_spans": self.joined,
            "score": round(self.score, 6),
            "highest_presence": round(self.highest_presence, 6),
        }

    def _join_nearest(self) -> None:
        absences = [after[0] - before[1] for before, after in zip(self.spans, self.spans[1:], strict=False)]
        i = absences.index(min(absences))
        self.spans[i : i + 2] = [(self.spans[i][0], self.spans[i + 1][1])]
        self.joined += 1
