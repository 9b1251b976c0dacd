"""Scores of every expression of every video of a data set, and their means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from vlp_rvos.evaluation import protocols
from vlp_rvos.evaluation.davis import FrameScore, Statistics, statistics
from vlp_rvos.evaluation.frame_scorer import (
    PackedMasks,
    Sample,
)
from vlp_rvos.evaluation.target_accuracy import target_accuracy

__all__ = ["DatasetScores", "ExpressionScores", "Means", "WorstCase", "known_means"]


@dataclass(frozen=True)
class Means:
    """Means of J and F, in [0, 1], with recall and decay."""

    j: Statistics
    f: Statistics

    @property
    def j_and_f(self) -> float:
        """Mean of both means."""
        return (self.j.mean + self.f.mean) / 2

    def to_json(self) -> dict[str, float]:
        """With the names of the benchmark."""
        named = {f"{name}_{key}": value for name in "JF" for key, value in self._of(name)._asdict().items()}
        return named | {"J&F": self.j_and_f}

    @staticmethod
    def unknown() -> dict[str, None]:
        """The same, where nothing could be scored."""
        return dict.fromkeys([*(f"{name}_{key}" for name in "JF" for key in Statistics._fields), "J&F"])

    @classmethod
    def over(cls, parts: Iterable[Means]) -> Means | None:
        """Mean of means; None of nothing."""
        parts = list(parts)
        if not parts:
            return None
        columns = (zip(*series, strict=True) for series in ([part.j for part in parts], [part.f for part in parts]))
        return cls(*(Statistics(*map(fmean, column)) for column in columns))

    def _of(self, name: str) -> Statistics:
        return self.j if name == "J" else self.f


@dataclass
class ExpressionScores:
    """Scores of one expression of a video; without frames where there is no truth to score against.

    Attributes:
        expression: its text.
        kind: of expression.
        j, f: one value for each scored frame.
        presences: one for each frame, where a model said so.
        has_target: whether it refers to something in a scored frame.
        is_found: whether a scored frame has a predicted mask.
    """

    expression: str
    kind: str | None
    j: list[float] = field(default_factory=list)
    f: list[float] = field(default_factory=list)
    presences: list[float] = field(default_factory=list)
    has_target: bool = False
    is_found: bool = False

    @property
    def means(self) -> Means | None:
        """Means over the scored frames."""
        return Means(statistics(self.j), statistics(self.f)) if self.j else None

    def add(self, score: FrameScore) -> None:
        """Take the next frame."""
        self.j.append(score.j)
        self.f.append(score.f)
        self.has_target |= score.true > 0
        self.is_found |= score.predicted > 0

    def to_json(self) -> dict[str, Any]:
        """One entry of "videos"."""
        return {
            "expression": self.expression,
            "kind": self.kind,
            **(self.means.to_json() if self.means else Means.unknown()),
            "J": self.j,
            "F": self.f,
            "presence": fmean(self.presences) if self.presences else None,
        }


@dataclass(frozen=True)
class WorstCase:
    """One of the expressions with the lowest scores, and the frame where most of it is wrong."""

    video: str
    expression: str
    """Its id."""
    frame: str
    score: FrameScore
    mask: PackedMasks
    """(1, H, W), what was predicted."""


@dataclass
class DatasetScores:
    """Scores of every expression of every video.

    Attributes:
        protocol: by which it was scored.
        videos: video -> expression id -> scores.
        frames: how many were done.
        seconds: how long the predictor took, reading of the frames included and scoring left out.
        samples: (video, expression id, frame) -> masks, where pictures are scored on their own.
        as_said: J&F of each object of an annotator, scored against the object that its expression names; see `metrics`.
        worst: the expressions with the lowest scores, the worst one first.
    """

    protocol: protocols.Protocol = protocols.FOLDER
    videos: dict[str, dict[str, ExpressionScores]] = field(default_factory=dict)
    frames: int = 0
    seconds: float = 0.0
    samples: dict[tuple[str, str, str], Sample] = field(default_factory=dict)
    as_said: list[float] = field(default_factory=list)
    worst: list[WorstCase] = field(default_factory=list)

    @property
    def frames_per_second(self) -> float:
        """Frames of video per second, all expressions of a video together."""
        return self.frames / self.seconds if self.seconds else 0.0

    @property
    def means(self) -> Means | None:
        """Means over all expressions."""
        return Means.over(known_means(self._expressions()))

    @property
    def video_means(self) -> dict[str, Means]:
        """Means over the expressions of each video."""
        means = {name: Means.over(known_means(scores.values())) for name, scores in self.videos.items()}
        return {name: video for name, video in means.items() if video is not None}

    @property
    def kinds(self) -> dict[str, tuple[Means, int]]:
        """Means over the expressions of each kind, and how many there are."""
        result = {}
        for kind in dict.fromkeys(score.kind for score in self._expressions() if score.kind is not None):
            of_kind = list(known_means(score for score in self._expressions() if score.kind == kind))
            if means := Means.over(of_kind):
                result[kind] = (means, len(of_kind))
        return result

    @property
    def target_accuracy(self) -> tuple[float | None, float | None]:
        """N-acc and T-acc; see `vlp_rvos.evaluation.target_accuracy.target_accuracy`."""
        return target_accuracy((score.has_target, score.is_found) for score in self._expressions() if score.j)

    @property
    def metrics(self) -> dict[str, float | None]:
        """What the benchmark reports.

        For annotators: means over the objects of each, then over the annotators. Like the official evaluation (the
        unsupervised task of DAVIS 2019, which work on Ref-DAVIS17 shares since URVOS and ReferFormer), J and F take the
        best assignment of the objects that one annotator's masks show to the true ones. "J&F_as_said" scores every mask
        against the object that its own expression names, which is the harder question [D].
        """
        if self.protocol.in_pictures:
            # Its library takes a while to import.
            from vlp_rvos.evaluation.coco_metrics import evaluate_rle, overlap_metrics

            if not self.samples:
                return {}
            measure = protocols.Measure.precision
            evaluate = evaluate_rle if self.protocol.measure is measure else overlap_metrics
            return dict(evaluate(self.coco_truth(), self.coco_predictions()))
        means: Means | None
        if self.protocol.measure is protocols.Measure.annotators:
            means = Means.over(means for means, _ in self.kinds.values())
        else:
            means = self.means
        n_acc, t_acc = self.target_accuracy
        metrics: dict[str, float | None] = {**(means.to_json() if means else Means.unknown())}
        if self.as_said:
            metrics["J&F_as_said"] = fmean(self.as_said)
        return metrics | {"N_acc": n_acc, "T_acc": t_acc}

    def coco_truth(self) -> dict[str, Any]:
        """The samples' true masks in COCO's annotation format; images say where they come from."""
        images = [
            {
                "id": i,
                "height": sample.truth["size"][0],
                "width": sample.truth["size"][1],
                "video": video,
                "expression_id": expression,
                "frame": frame,
            }
            for i, ((video, expression, frame), sample) in enumerate(self.samples.items(), start=1)
        ]
        annotations = [
            {"id": i, "image_id": i, "category_id": 1, "segmentation": sample.truth, "iscrowd": 0}
            for i, sample in enumerate(self.samples.values(), start=1)
        ]
        return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}

    def coco_predictions(self) -> list[dict[str, Any]]:
        """The samples' predicted masks in COCO's result format."""
        return [
            {"image_id": i, "category_id": 1, "segmentation": sample.prediction, "score": sample.score}
            for i, sample in enumerate(self.samples.values(), start=1)
        ]

    def to_json(self, dataset: str, model: str) -> dict[str, Any]:
        """What `vlp-rvos evaluate run --json` writes; means are null where nothing could be scored."""
        videos = {name: {key: score.to_json() for key, score in scores.items()} for name, scores in self.videos.items()}
        over_videos = Means.over(self.video_means.values())
        n_acc, t_acc = self.target_accuracy
        return {
            "dataset": dataset,
            "model": model,
            "videos": videos,
            "video_means": {name: means.to_json() for name, means in self.video_means.items()},
            "kinds": {kind: {**means.to_json(), "n": n} for kind, (means, n) in self.kinds.items()},
            "mean_over_videos": over_videos.to_json() if over_videos else Means.unknown(),
            **(self.means.to_json() if self.means else Means.unknown()),
            "N_acc": n_acc,
            "T_acc": t_acc,
            "frames_per_second": self.frames_per_second,
        }

    def _expressions(self) -> Iterator[ExpressionScores]:
        return (score for scores in self.videos.values() for score in scores.values())


def known_means(scores: Iterable[ExpressionScores]) -> Iterator[Means]:
    for score in scores:
        if (means := score.means) is not None:
            yield means
