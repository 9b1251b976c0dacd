"""Scores of one expression, and means of such scores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from vlp_rvos.evaluation.davis import MaskScore, Statistics, statistics

__all__ = ["ExpressionScores", "Means"]


@dataclass(frozen=True)
class Means:
    """Statistics of J and F, of one expression over its frames or averaged over expressions.

    Attributes:
        j: mean, recall and decay of J.
        f: mean, recall and decay of F.
    """

    j: Statistics
    f: Statistics

    @property
    def j_and_f(self) -> float:
        """J&F, the mean of mean J and mean F, in [0, 1]."""
        return (self.j.mean + self.f.mean) / 2

    def to_json(self) -> dict[str, float]:
        """All values by the names that DAVIS gives them: "J_mean", "J_recall", ..., "J&F"."""
        named = {f"{name}_{key}": value for name in "JF" for key, value in self._of(name)._asdict().items()}
        return named | {"J&F": self.j_and_f}

    @staticmethod
    def unknown() -> dict[str, None]:
        """The names of `to_json` without values, for what could not be scored."""
        return dict.fromkeys([*(f"{name}_{key}" for name in "JF" for key in Statistics._fields), "J&F"])

    @classmethod
    def over(cls, parts: Iterable[Means | None]) -> Means | None:
        """Mean of means. Parts that are None do not count; without any other part the result is None."""
        known = [part for part in parts if part is not None]
        if not known:
            return None
        columns = (zip(*series, strict=True) for series in ([part.j for part in known], [part.f for part in known]))
        return cls(*(Statistics(*map(fmean, column)) for column in columns))

    def _of(self, name: str) -> Statistics:
        return self.j if name == "J" else self.f


@dataclass
class ExpressionScores:
    """Scores of one expression of a video.

    Attributes:
        expression: text of the expression.
        kind: kind of the expression, by which scores are grouped; None if it is not known.
        j: J of each scored frame, in [0, 1]; empty if the expression has no true masks.
        f: F of each scored frame, in [0, 1]; empty if the expression has no true masks.
        presences: predicted presence in each frame, in [0, 1]; empty if the masks were read from a folder.
        has_target: whether a true mask of a scored frame has a pixel.
        has_prediction: whether a predicted mask of a scored frame has a pixel.
    """

    expression: str
    kind: str | None
    j: list[float] = field(default_factory=list)
    f: list[float] = field(default_factory=list)
    presences: list[float] = field(default_factory=list)
    has_target: bool = False
    has_prediction: bool = False

    @property
    def means(self) -> Means | None:
        """Statistics over the scored frames; None without scored frames."""
        return Means(statistics(self.j), statistics(self.f)) if self.j else None

    def add(self, score: MaskScore) -> None:
        """Add the score of the next frame."""
        self.j.append(score.j)
        self.f.append(score.f)
        self.has_target |= score.true_area > 0
        self.has_prediction |= score.predicted_area > 0

    def to_json(self) -> dict[str, Any]:
        """The scores as plain values, as a score file holds them."""
        return {
            "expression": self.expression,
            "kind": self.kind,
            **(self.means.to_json() if self.means else Means.unknown()),
            "J": self.j,
            "F": self.f,
            "presence": fmean(self.presences) if self.presences else None,
        }
