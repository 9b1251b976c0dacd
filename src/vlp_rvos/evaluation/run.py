"""Predicts and scores the expressions of a benchmark, frame by frame, by the benchmark's own protocol.

The scoring knows nothing of the model: `evaluate_dataset` takes any function from frames and expressions to masks, or a
folder of masks that somebody else's model made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.base import ReferringDataset, ReferringVideo
from vlp_rvos.data.benchmarks.ref_youtube_vos import RefYouTubeVOS
from vlp_rvos.data.ytvos import VideoEntry, YTVOSDataset
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.evaluation import protocols
from vlp_rvos.evaluation.davis import FrameScore, Statistics, statistics
from vlp_rvos.evaluation.frames import FrameJob, FrameOutcome, FrameScorer, PackedMasks, Pairs, Sample, make_scorer
from vlp_rvos.evaluation.masks import inner_frames, prepare_output, target_accuracy
from vlp_rvos.evaluation.parallel import available_cores, ordered_map

__all__ = [
    "DEFAULT_KINDS",
    "DatasetScores",
    "ExpressionScores",
    "FramePrediction",
    "KindsOf",
    "Means",
    "Predictor",
    "WorstCase",
    "evaluate_dataset",
    "evaluate_folder",
    "expression_kinds",
    "layout_folder",
    "parse_overrides",
    "target_kinds",
]

DEFAULT_KINDS = ("noun", "appearance", "motion", "description")
"""Kinds of the expressions "0" to "3" of a video that describes one object in four ways."""

FRAMES_OF_WORKER = 64
"""How many frames are worth the start of a process."""

CHUNK = 8
"""Frames that a process takes at a time where it reads the masks itself."""

MAX_PERMUTED = 7
"""Up to how many objects the best assignment is looked for by trying all."""


class FramePrediction(Protocol):
    """What a predictor says of one frame; `vlp_rvos.segmenter.FrameResult` is one."""

    @property
    def masks(self) -> Any:
        """(E, H, W) bool array, one mask for each expression, at the frame's own size."""

    @property
    def presences(self) -> Any:
        """(E,) how sure the model is that each expression refers to something in the frame, in [0, 1]."""

    @property
    def scores(self) -> Any:
        """(E,) how good the model thinks each mask is, in [0, 1]."""


Predictor = Callable[[Iterable[NDArray[np.uint8]], list[str]], Iterable[FramePrediction]]
"""From the frames of a video, (H, W, 3) uint8 RGB, and E expressions to one prediction per frame, lazily."""

KindsOf = Callable[[ReferringVideo], Sequence[str | None]]
"""From a video to the kind of each of its expressions, None where it is not known."""


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
        return Means.over(_known(self._expressions()))

    @property
    def video_means(self) -> dict[str, Means]:
        """Means over the expressions of each video."""
        means = {name: Means.over(_known(scores.values())) for name, scores in self.videos.items()}
        return {name: video for name, video in means.items() if video is not None}

    @property
    def kinds(self) -> dict[str, tuple[Means, int]]:
        """Means over the expressions of each kind, and how many there are."""
        result = {}
        for kind in dict.fromkeys(score.kind for score in self._expressions() if score.kind is not None):
            of_kind = list(_known(score for score in self._expressions() if score.kind == kind))
            if means := Means.over(of_kind):
                result[kind] = (means, len(of_kind))
        return result

    @property
    def target_accuracy(self) -> tuple[float | None, float | None]:
        """N-acc and T-acc; see `vlp_rvos.evaluation.masks.target_accuracy`."""
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
            from vlp_rvos.evaluation.rle import evaluate_rle, overlap_metrics

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


def evaluate_dataset(
    dataset: ReferringDataset,
    predictions: Predictor | Path,
    *,
    protocol: protocols.Protocol = protocols.FOLDER,
    output: Path | None = None,
    kinds: KindsOf | None = None,
    workers: int | None = None,
    worst: int = 0,
    on_frame: Callable[[int], None] | None = None,
) -> DatasetScores:
    """Predict every expression of every video, or read what was predicted, and score it against the truth.

    Frames are predicted, scored and written as they come, so memory does not grow with the video. Scoring and writing
    is spread over processes; the result does not depend on their number. Expressions without truth (test sets) are
    predicted and written, but not scored.

    Args:
        dataset: what to score against.
        predictions: a predictor, which gets all expressions of a video at once; or a folder of masks,
            `<video>/<expression id>/<frame>.png`, for protocols with annotators `<annotator>/<video>/<frame>.png`.
        protocol: which frames count, and how.
        output: where to write the masks in the same layout: what the Ref-YouTube-VOS server takes.
        kinds: what kind each expression of a video is; None for `target_kinds`.
        workers: number of processes; None takes all cores for more than a few frames. With more than one, a script
            that calls this needs the usual `if __name__ == "__main__"`.
        worst: how many of the worst expressions to keep for a report.
        on_frame: called after every frame with the number of frames of its video that are done.

    Raises:
        UserError: a missing or broken file, masks of another size than the truth, or nothing to do.
        VLPRVOSError: the predictor gave too few or too many frames, or a process died.
    """
    folder = predictions if isinstance(predictions, Path) else None
    what = f"{dataset.name} {dataset.split}".strip()
    videos = [i for i, video in enumerate(dataset.videos) if video.expressions]
    if not videos:
        raise UserError(f"{what} has no expressions")
    scored = [i for i in videos if any(x.object_ids is not None for x in dataset.videos[i].expressions)]
    if not scored and (folder is not None or output is None):
        raise UserError(
            f"{what} has no truth (no obj_id, no masks), so nothing can be scored; name an output folder for masks"
        )
    scorer = make_scorer(dataset, protocol, predictions=folder, output=output)
    evaluation = _Evaluation(dataset, scorer, kinds or target_kinds, worst)
    for i in scored:
        evaluation.scored[i] = set(_frames_to_score(dataset.videos[i], protocol))
    if folder is not None:
        _check_predictions(scorer, evaluation.scored, folder)
    if output is not None:
        prepare_output(output, folder=True)
    if workers is None:
        frames = sum(len(dataset.videos[i].frames) for i in videos)
        workers = min(available_cores(), 1 + frames // FRAMES_OF_WORKER)
    jobs = evaluation.predict(videos, predictions) if not isinstance(predictions, Path) else evaluation.read(videos)
    chunk = 1 if folder is None else CHUNK
    done, current = 0, -1
    for job, outcome in ordered_map(scorer, jobs, workers=workers, chunk=chunk):
        done, current = (done + 1 if job.video == current else 1), job.video
        evaluation.take(job, outcome)
        if done == len(dataset.videos[job.video].frames):
            evaluation.finish(job.video)
        if on_frame is not None:
            on_frame(done)
    return evaluation.result


def evaluate_folder(
    reader: YTVOSDataset,
    predict: Predictor,
    *,
    output: Path | None = None,
    skip_ends: bool = False,
    kinds: Sequence[str] | None = None,
    workers: int | None = None,
    worst: int = 0,
    on_frame: Callable[[int], None] | None = None,
) -> DatasetScores:
    """`evaluate_dataset` for any folder in the Ref-YouTube-VOS layout; all its files must be there.

    Args:
        reader: of the folder.
        predict: see `evaluate_dataset`.
        output: see `evaluate_dataset`.
        skip_ends: leave every video's first and last frame out of the scores, as DAVIS-2017 does.
        kinds: names of the kinds of expression by position; see `expression_kinds`.
        workers: see `evaluate_dataset`.
        worst: see `evaluate_dataset`.
        on_frame: see `evaluate_dataset`.

    Raises:
        UserError: see `evaluate_dataset`; missing files are found before anything is predicted.
        VLPRVOSError: see `evaluate_dataset`.
    """
    named = {video.name: expression_kinds(video, kinds) for video in reader.videos}
    protocol = protocols.Protocol(protocols.FOLDER.summary, skip_ends=skip_ends)
    dataset = layout_folder(reader)
    for video in dataset.videos:
        if video.expressions:
            _check_files(reader, video, protocol)
    return evaluate_dataset(
        dataset,
        predict,
        protocol=protocol,
        output=output,
        kinds=lambda video: named[video.name],
        workers=workers,
        worst=worst,
        on_frame=on_frame,
    )


def layout_folder(reader: YTVOSDataset) -> RefYouTubeVOS:
    """A folder in the Ref-YouTube-VOS layout as a data set whose every frame is annotated."""
    return RefYouTubeVOS(str(reader.folder), "", reader, reader.videos, objects={}, annotated=True)


def target_kinds(video: ReferringVideo) -> list[str | None]:
    """Kinds that every benchmark has: who wrote an expression, where that counts, else how much it refers to. [D]"""
    names = {0: "no target", 1: "one object"}
    return [
        x.annotator or (None if x.object_ids is None else names.get(len(x.object_ids), "several objects"))
        for x in video.expressions
    ]


def expression_kinds(video: VideoEntry, kinds: Sequence[str] | None = None) -> list[str | None]:
    """What kind each expression of a video is.

    A `kind` field of the data set comes first. Else, if the ids are exactly "0", "1", ... in the number of kinds, the
    id is the position in `kinds`. The default kinds are for videos that describe a single object in four ways, so
    without `kinds` all expressions must also refer to the same object. [D]

    Args:
        video: its expressions.
        kinds: names by position; None for `DEFAULT_KINDS`.

    Returns:
        One name, or None where it is not known, for each expression.
    """
    names = DEFAULT_KINDS if kinds is None else kinds
    by_id: Mapping[str, str] = {str(position): name for position, name in enumerate(names)}
    fits = {expression.id for expression in video.expressions} == set(by_id)
    if kinds is None:
        fits = fits and len({expression.object_id for expression in video.expressions}) == 1
    return [expression.kind or (by_id[expression.id] if fits else None) for expression in video.expressions]


def parse_overrides(overrides: Iterable[str]) -> dict[str, object]:
    """Settings from `key=value` texts; a value is JSON where it can be read as such, else text.

    Raises:
        UserError: a text without key or value, or a key that comes twice.

    Example:
        >>> parse_overrides(["attention=frame", "history=false", "blocks=2"])
        {'attention': 'frame', 'history': False, 'blocks': 2}
    """
    result: dict[str, object] = {}
    for text in overrides:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not key or not equals or not value:
            raise UserError(f"cannot understand the setting '{text}'; write key=value, for example attention=frame")
        if key in result:
            raise UserError(f"the setting '{key}' is given twice")
        try:
            result[key] = json.loads(value)
        except ValueError:
            result[key] = value
    return result


class _Evaluation:
    """The state of a running evaluation."""

    def __init__(self, dataset: ReferringDataset, scorer: FrameScorer, kinds: KindsOf, worst: int) -> None:
        self.dataset, self.scorer, self.kinds, self.worst = dataset, scorer, kinds, worst
        self.result = DatasetScores(scorer.protocol)
        self.scored: dict[int, set[str]] = {}
        self._cases: dict[int, WorstCase] = {}
        self._pairs: dict[str, list[Pairs]] = {}

    def read(self, videos: Iterable[int]) -> Iterator[FrameJob]:
        """Jobs for masks that lie in a folder."""
        for i in videos:
            self._open(i)
            for frame in self.dataset.videos[i].frames:
                yield FrameJob(i, frame, frame in self.scored.get(i, ()))

    def predict(self, videos: Iterable[int], predict: Predictor) -> Iterator[FrameJob]:
        """Jobs with the masks that a predictor makes."""
        for i in videos:
            video, scores = self.dataset.videos[i], list(self._open(i).values())
            texts = [expression.text for expression in video.expressions]
            predictions = iter(predict(_frames(self.dataset, video), texts))
            for done, frame in enumerate(video.frames):
                started = time.perf_counter()
                prediction = next(predictions, None)
                self.result.seconds += time.perf_counter() - started
                if prediction is None:
                    raise VLPRVOSError(f"only {done} of {len(video.frames)} frames of {video.name} were predicted")
                masks = np.asarray(prediction.masks, dtype=np.bool_)
                if masks.ndim != 3 or len(masks) != len(texts):
                    raise VLPRVOSError(f"{video.name} has {len(texts)} expressions, but masks came as {masks.shape}")
                for score, presence in zip(scores, prediction.presences, strict=True):
                    score.presences.append(float(presence))
                scored = frame in self.scored.get(i, ())
                used = scored or self.scorer.output is not None
                packed = PackedMasks.pack(masks) if used else None
                yield FrameJob(i, frame, scored, packed, tuple(float(score) for score in prediction.scores))
            if next(predictions, None) is not None:
                raise VLPRVOSError(f"more than the {len(video.frames)} frames of {video.name} were predicted")

    def take(self, job: FrameJob, outcome: FrameOutcome) -> None:
        """Add a frame that is done."""
        self.result.frames += 1
        video = self.dataset.videos[job.video]
        scores = self.result.videos[video.name]
        for position, (expression, score) in enumerate(zip(video.expressions, outcome.scores, strict=True)):
            if score is None:
                continue
            scores[expression.id].add(score)
            case = self._cases.get(position)
            if self.worst and (case is None or score.wrong > case.score.wrong):
                packed = PackedMasks.pack(self.scorer.mask(job, position)[None])
                self._cases[position] = WorstCase(video.name, expression.id, job.frame, score, packed)
        for expression, sample in zip(video.expressions, outcome.samples, strict=False):
            if sample is not None:
                self.result.samples[video.name, expression.id, job.frame] = sample
        for annotator, pairs in outcome.pairs.items():
            self._pairs.setdefault(annotator, []).append(pairs)

    def finish(self, video: int) -> None:
        """All frames of a video are done."""
        name = self.dataset.videos[video].name
        scores = self.result.videos[name]

        def badness(case: WorstCase) -> float:
            means = self.result.videos[case.video][case.expression].means
            return means.j_and_f if means else 1.0

        self.result.worst = sorted([*self.result.worst, *self._cases.values()], key=badness)[: self.worst]
        for annotator, pairs in self._pairs.items():
            self._assign(self.dataset.videos[video], annotator, pairs, scores)
        self._cases, self._pairs = {}, {}

    def _open(self, index: int) -> dict[str, ExpressionScores]:
        video = self.dataset.videos[index]
        scores = {
            expression.id: ExpressionScores(expression.text, kind)
            for expression, kind in zip(video.expressions, self.kinds(video), strict=True)
        }
        self.result.videos[video.name] = scores
        return scores

    def _assign(
        self, video: ReferringVideo, annotator: str, pairs: Sequence[Pairs], scores: dict[str, ExpressionScores]
    ) -> None:
        """Give every true object the scores of the predicted one that fits it in the best assignment."""
        # (predicted, true, J or F, frames).
        table = np.array([[[(score.j, score.f) for score in row] for row in frame.scores] for frame in pairs])
        table = table.transpose(1, 2, 3, 0)
        chosen = _best_assignment(table.mean(axis=(2, 3)))
        own = {
            expression.object_ids[0]: expression
            for expression in video.expressions
            if (expression.annotator or "") == annotator and expression.object_ids
        }
        for true, (i, predicted) in enumerate(zip(pairs[0].objects, chosen, strict=True)):
            self.result.as_said.append(float(table[true, true].mean()))
            # An object that nobody described counts too: its mask is empty.
            key = own[i].id if i in own else f"{annotator}:{i}"
            row = scores.setdefault(key, ExpressionScores("", annotator or None))
            row.j, row.f = table[predicted, true].tolist()
            row.has_target |= any(frame.scores[true][true].true for frame in pairs)


def _best_assignment(scores: NDArray[np.float64]) -> list[int]:
    """For each column its row, every row at most once, with the largest sum; scores are (rows, columns <= rows)."""
    rows, columns = scores.shape
    if rows > MAX_PERMUTED:
        from vlp_rvos.data.benchmarks.tables import import_extra

        chosen, order = import_extra("scipy.optimize").linear_sum_assignment(-scores)
        return [int(chosen[list(order).index(column)]) for column in range(columns)]
    best = max(permutations(range(rows), columns), key=lambda order: float(scores[list(order), range(columns)].sum()))
    return list(best)


def _known(scores: Iterable[ExpressionScores]) -> Iterator[Means]:
    for score in scores:
        if (means := score.means) is not None:
            yield means


def _frames_to_score(video: ReferringVideo, protocol: protocols.Protocol) -> list[str]:
    return inner_frames(video.frames, video.name, protocol.skip_ends)


def _check_predictions(scorer: FrameScorer, scored: Mapping[int, set[str]], folder: Path) -> None:
    """Find out that masks are missing before an hour is spent on the others."""
    if not folder.is_dir():
        raise UserError(f"no such folder of predicted masks: {folder}")
    missing, total = [], 0
    for i, frames in scored.items():
        video = scorer.dataset.videos[i]
        for frame in (frame for frame in video.frames if frame in frames):
            files = scorer.files(video, frame)
            total += len(files)
            missing += [file for file in files if not (folder / file).is_file()]
    if missing:
        raise UserError(f"{len(missing)} of {total} masks are missing in {folder}, the first one is {missing[0]}")


def _check_files(reader: YTVOSDataset, video: ReferringVideo, protocol: protocols.Protocol) -> None:
    """Missing files of the last video should not be found out after hours of prediction."""
    files = [reader.frame_path(video.name, frame) for frame in video.frames]
    if any(expression.object_ids is not None for expression in video.expressions):
        files += [reader.annotation_path(video.name, frame) for frame in _frames_to_score(video, protocol)]
    for file in files:
        if not file.is_file():
            raise UserError(f"no such image: {file}")


def _frames(dataset: ReferringDataset, video: ReferringVideo) -> Iterator[NDArray[np.uint8]]:
    shape = None
    for name in video.frames:
        frame = dataset.load_frame(video.name, name)
        shape = shape or frame.shape
        if frame.shape != shape:
            sizes = f"{frame.shape[1]}x{frame.shape[0]}, not {shape[1]}x{shape[0]}"
            raise UserError(f"frame {name} of video {video.name} is {sizes} like the frames before it")
        yield frame
