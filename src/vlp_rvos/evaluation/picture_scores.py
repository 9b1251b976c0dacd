"""Scores on described pictures: does a model choose the thing that is meant, and does it know what is absent?

Every number is a share or a mean in [0, 1]. [D]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from statistics import fmean
from typing import Any

import numpy as np

from vlp_rvos.evaluation.calibration import calibration_error, equal_count_bins, equal_width_bins
from vlp_rvos.evaluation.word_kinds import WORD_KINDS

__all__ = [
    "HEADLINE",
    "KEPT_SHARE",
    "ExpressionOutcome",
    "PictureScores",
    "PictureSummary",
    "noticing_threshold",
    "summarize",
]

KEPT_SHARE = 0.95
"""Share of the true expressions that the threshold of `PictureSummary.noticed` keeps."""
HALF = 0.5
HEADLINE = (
    "choice",
    "thing_iou",
    "iou_half",
    "group_iou",
    "noticed",
    "noticed_by_default",
    "kept_by_default",
    "painted_by_default",
    "calibration_error",
)
"""The numbers of `PictureSummary` that a report begins with."""


@dataclass(frozen=True)
class ExpressionOutcome:
    """What a model made of one expression.

    Attributes:
        picture: name of the picture.
        id: id of the expression in its picture.
        text: the expression.
        origin: name of the file that it comes from.
        kind: one of `vlp_rvos.evaluation.word_kinds.WORD_KINDS`.
        thing_ids: ids of the things that it means; none if it is false.
        presence: predicted probability that it is true, in [0, 1].
        has_pixels: whether the mask has any pixel, before the presence threshold empties it.
        iou: IoU of that mask with the union of the things that are meant; None if the expression is false.
        f: boundary measure of that mask, as in DAVIS; None if the expression is false.
        best_thing: id of the outlined thing that isn't a crowd and that the mask has its greatest IoU with; None if
            there is none, or no such IoU above 0.
        is_right: whether this best thing is the one that is meant and no other thing has the same IoU; None unless
            exactly one thing is meant that isn't a crowd.
        candidates: number of outlined things in the picture that are no crowd.
    """

    picture: str
    id: str
    text: str
    origin: str
    kind: str
    thing_ids: tuple[str, ...]
    presence: float
    has_pixels: bool
    iou: float | None
    f: float | None
    best_thing: str | None
    is_right: bool | None
    candidates: int

    @property
    def is_true(self) -> bool:
        """Whether the picture shows what the expression says."""
        return bool(self.thing_ids)


@dataclass(frozen=True)
class PictureSummary:
    """Scores of a set of expressions; None where there is nothing to score.

    Masks are scored as the model makes them, whatever its presence, except for the numbers that end in `_by_default`:
    those are of what a user gets, where a presence below the default threshold leaves the mask empty.

    Attributes:
        single: number of expressions that mean one thing.
        groups: number of expressions that mean several.
        false: number of expressions that mean nothing in their picture.
        choice: share of the expressions that mean one thing and whose mask has a greater IoU with that thing than with
            any other outlined thing of the picture that isn't a crowd. A mask without pixels or without any overlap is
            wrong, and so is a tie.
        chance: what `choice` would be if every outlined thing were as likely.
        thing_iou: mean IoU with the thing that is meant, over the same expressions.
        iou_half: share of them with an IoU of at least 0.5.
        group_iou: mean IoU with the union of the things, over the expressions that mean several.
        threshold: presence that 95 % of the true expressions reach: their 5th percentile, interpolated linearly.
        noticed: share of the false expressions whose presence is below `threshold`.
        noticed_by_default: share of the false expressions whose presence is below the default threshold.
        kept_by_default: share of the true expressions whose presence reaches the default threshold.
        painted_by_default: share of the false expressions whose mask has pixels all the same.
        choice_by_default: `choice` of what a user gets.
        thing_iou_by_default: `thing_iou` of what a user gets.
        group_iou_by_default: `group_iou` of what a user gets.
        calibration_error: expected calibration error of presence, over all expressions, in 15 bins of equal width. It
            depends on the share of false expressions among them.
        calibration_error_equal_count: the same in 15 bins of equal count.
    """

    single: int
    groups: int
    false: int
    choice: float | None
    chance: float | None
    thing_iou: float | None
    iou_half: float | None
    group_iou: float | None
    threshold: float | None
    noticed: float | None
    noticed_by_default: float | None
    kept_by_default: float | None
    painted_by_default: float | None
    choice_by_default: float | None
    thing_iou_by_default: float | None
    group_iou_by_default: float | None
    calibration_error: float | None
    calibration_error_equal_count: float | None


def noticing_threshold(outcomes: Iterable[ExpressionOutcome]) -> float | None:
    """The presence that 95 % of the true expressions reach; None if none is true."""
    true = [outcome.presence for outcome in outcomes if outcome.is_true]
    return float(np.quantile(true, 1 - KEPT_SHARE)) if true else None


def summarize(
    outcomes: Sequence[ExpressionOutcome], default_threshold: float, threshold: float | None = None
) -> PictureSummary:
    """Scores of a set of expressions.

    Args:
        outcomes: the expressions.
        default_threshold: presence below which a user gets no mask, in [0, 1].
        threshold: presence below which a false expression counts as noticed; None for `noticing_threshold` of these.
    """
    threshold = noticing_threshold(outcomes) if threshold is None else threshold
    true = [one for one in outcomes if one.is_true]
    false = [one for one in outcomes if not one.is_true]
    single = [one for one in true if len(one.thing_ids) == 1]
    groups = [one for one in true if len(one.thing_ids) > 1]
    choices = [one for one in single if one.is_right is not None]
    presences, truth = [one.presence for one in outcomes], [one.is_true for one in outcomes]

    def kept(one: ExpressionOutcome) -> bool:
        return one.presence >= default_threshold

    return PictureSummary(
        single=len(single),
        groups=len(groups),
        false=len(false),
        choice=_mean(bool(one.is_right) for one in choices),
        chance=_mean(1 / one.candidates for one in choices),
        thing_iou=_mean(one.iou or 0.0 for one in single),
        iou_half=_mean((one.iou or 0.0) >= HALF for one in single),
        group_iou=_mean(one.iou or 0.0 for one in groups),
        threshold=threshold,
        noticed=None if threshold is None else _mean(one.presence < threshold for one in false),
        noticed_by_default=_mean(not kept(one) for one in false),
        kept_by_default=_mean(kept(one) for one in true),
        painted_by_default=_mean(kept(one) and one.has_pixels for one in false),
        choice_by_default=_mean(bool(one.is_right) and kept(one) for one in choices),
        thing_iou_by_default=_mean((one.iou or 0.0) * kept(one) for one in single),
        group_iou_by_default=_mean((one.iou or 0.0) * kept(one) for one in groups),
        calibration_error=calibration_error(equal_width_bins(presences, truth)),
        calibration_error_equal_count=calibration_error(equal_count_bins(presences, truth)),
    )


@dataclass
class PictureScores:
    """Scores of a model on described pictures.

    Attributes:
        default_threshold: presence below which a user gets no mask, in [0, 1].
        outcomes: all expressions, those of one picture after each other.
    """

    default_threshold: float
    outcomes: list[ExpressionOutcome] = field(default_factory=list)

    @property
    def summary(self) -> PictureSummary:
        """Scores of all expressions together."""
        return summarize(self.outcomes, self.default_threshold)

    @property
    def origins(self) -> dict[str, PictureSummary]:
        """Scores by the file that the expressions come from, each a test of its own: with its own `threshold`."""
        names = dict.fromkeys(one.origin for one in self.outcomes)
        return {
            name: summarize([one for one in self.outcomes if one.origin == name], self.default_threshold)
            for name in names
        }

    @property
    def kinds(self) -> dict[str, PictureSummary]:
        """Scores by the kind of expression. All kinds share the `threshold` of all expressions together."""
        threshold = noticing_threshold(self.outcomes)
        found = {kind: [one for one in self.outcomes if one.kind == kind] for kind in WORD_KINDS}
        return {kind: summarize(ones, self.default_threshold, threshold) for kind, ones in found.items() if ones}

    def to_json(self, dataset: str, model: str, part: str) -> dict[str, Any]:
        """All scores as plain values, in the form that `vlp_rvos.evaluation.score_rows` reads.

        Args:
            dataset: name of the data set.
            model: name of the model.
            part: part of the data set that was scored.
        """
        presences, truth = [one.presence for one in self.outcomes], [one.is_true for one in self.outcomes]
        summary = asdict(self.summary)
        return {
            "dataset": dataset,
            "split": part,
            "model": model,
            "metrics": {name: summary[name] for name in HEADLINE},
            "summary": summary,
            "default_threshold": self.default_threshold,
            "origins": {name: asdict(one) for name, one in self.origins.items()},
            "kinds": {name: asdict(one) for name, one in self.kinds.items()},
            "reliability": {
                "equal_width": [asdict(one) for one in equal_width_bins(presences, truth)],
                "equal_count": [asdict(one) for one in equal_count_bins(presences, truth)],
            },
            "videos": {
                picture: {one.id: _row(one) for one in ones}
                for picture, ones in groupby(self.outcomes, key=lambda one: one.picture)
            },
        }


def _row(one: ExpressionOutcome) -> dict[str, Any]:
    return {
        "expression": one.text,
        "kind": one.kind,
        "origin": one.origin,
        "things": list(one.thing_ids),
        "best_thing": one.best_thing,
        "is_right": one.is_right,
        "has_pixels": one.has_pixels,
        "presence": one.presence,
        "J": [] if one.iou is None else [one.iou],
        "J_mean": one.iou,
        "F_mean": one.f,
        "J&F": None if one.iou is None or one.f is None else (one.iou + one.f) / 2,
    }


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return fmean(numbers) if numbers else None
