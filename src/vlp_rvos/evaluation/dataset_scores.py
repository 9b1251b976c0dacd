"""Scores of every expression of every video of a data set, and their means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from vlp_rvos.evaluation.coco_entries import CocoEntry, coco_predictions, coco_truth
from vlp_rvos.evaluation.davis import MaskScore
from vlp_rvos.evaluation.expression_scores import ExpressionScores, Means
from vlp_rvos.evaluation.packed_masks import PackedMasks
from vlp_rvos.evaluation.protocols import DEFAULT_PROTOCOL, Measure, Protocol
from vlp_rvos.evaluation.target_accuracy import target_accuracy

__all__ = ["DatasetScores", "WorstCase"]


@dataclass(frozen=True)
class WorstCase:
    """One of the expressions with the lowest scores, and the frame with the most wrong pixels.

    Attributes:
        video: name of the video.
        expression: id of the expression.
        frame: name of the frame.
        score: score of the frame.
        mask: mask that was predicted for the frame, (1, H, W).
    """

    video: str
    expression: str
    frame: str
    score: MaskScore
    mask: PackedMasks


@dataclass
class DatasetScores:
    """Scores of a data set.

    Attributes:
        protocol: how the data set was scored.
        videos: name of a video -> id of an expression -> scores.
        frames: number of frames that were predicted or read.
        seconds: time that the predictor took, with reading the frames but without scoring.
        coco_entries: masks of the scored images, if the protocol scores images.
        scores_without_assignment: J&F of each object of each annotator, compared with the object that its expression
            names; see `metrics`.
        worst: expressions with the lowest scores, the worst one first.
    """

    protocol: Protocol = DEFAULT_PROTOCOL
    videos: dict[str, dict[str, ExpressionScores]] = field(default_factory=dict)
    frames: int = 0
    seconds: float = 0.0
    coco_entries: dict[tuple[str, str, str], CocoEntry] = field(default_factory=dict)
    scores_without_assignment: list[float] = field(default_factory=list)
    worst: list[WorstCase] = field(default_factory=list)

    @property
    def frames_per_second(self) -> float:
        """Speed of the predictor in frames of video a second, with all expressions of a video; 0 if it never ran."""
        return self.frames / self.seconds if self.seconds else 0.0

    @property
    def means(self) -> Means | None:
        """Means over all scored expressions; None without any."""
        return Means.over(score.means for score in self._expressions())

    @property
    def video_means(self) -> dict[str, Means]:
        """Means over the expressions of each video."""
        means = {name: Means.over(score.means for score in scores.values()) for name, scores in self.videos.items()}
        return {name: video for name, video in means.items() if video is not None}

    @property
    def kinds(self) -> dict[str, tuple[Means, int]]:
        """Kind of expression -> means over its scored expressions, and their number."""
        result = {}
        for kind in dict.fromkeys(score.kind for score in self._expressions() if score.kind is not None):
            known = [means for score in self._expressions() if score.kind == kind and (means := score.means)]
            if means := Means.over(known):
                result[kind] = (means, len(known))
        return result

    @property
    def target_accuracy(self) -> tuple[float | None, float | None]:
        """N-acc and T-acc; see `vlp_rvos.evaluation.target_accuracy.target_accuracy`."""
        return target_accuracy((score.has_target, score.has_prediction) for score in self._expressions() if score.j)

    @property
    def metrics(self) -> dict[str, float | None]:
        """The numbers that the benchmark reports.

        With annotators, these are means over the objects of each annotator, then over the annotators. J and F take the
        best assignment of an annotator's predicted objects to the true ones. So does the official evaluation, the
        unsupervised task of DAVIS 2019, which work on Ref-DAVIS17 shares since URVOS and ReferFormer.
        "J&F_without_assignment" compares every mask with the object that its own expression names, which is harder
        [D: our decision, see `docs/method.md`].
        """
        if self.protocol.scores_images:
            # The library behind it takes a while to import.
            from vlp_rvos.evaluation.coco_metrics import evaluate_rle, overlap_metrics

            if not self.coco_entries:
                return {}
            evaluate = evaluate_rle if self.protocol.measure is Measure.precision else overlap_metrics
            return dict(evaluate(coco_truth(self.coco_entries), coco_predictions(self.coco_entries)))
        means = self.means
        if self.protocol.measure is Measure.annotators:
            means = Means.over(of_annotator for of_annotator, _ in self.kinds.values())
        n_acc, t_acc = self.target_accuracy
        metrics: dict[str, float | None] = {**(means.to_json() if means else Means.unknown())}
        if self.scores_without_assignment:
            metrics["J&F_without_assignment"] = fmean(self.scores_without_assignment)
        return metrics | {"N_acc": n_acc, "T_acc": t_acc}

    def to_json(self, dataset: str, model: str) -> dict[str, Any]:
        """The content of a score file, as `vlp-rvos evaluate run --json` writes it; unknown means are null.

        Args:
            dataset: name or folder of the data set.
            model: name of the model, or of what else made the masks.
        """
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
