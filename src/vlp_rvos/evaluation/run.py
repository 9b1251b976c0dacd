"""Predicts and scores the expressions of a folder in the Ref-YouTube-VOS layout, frame by frame.

The scoring knows nothing of the model: `evaluate_dataset` takes any function from frames and expressions to masks.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlp_rvos.data.ytvos import VideoEntry, YTVOSDataset
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.evaluation.davis import score_frame
from vlp_rvos.evaluation.masks import inner_frames, prepare_output, write_atomically

__all__ = [
    "DEFAULT_KINDS",
    "DatasetScores",
    "ExpressionScores",
    "FramePrediction",
    "Means",
    "Predictor",
    "evaluate_dataset",
    "expression_kinds",
    "parse_overrides",
]

DEFAULT_KINDS = ("noun", "appearance", "motion", "description")
"""Kinds of the expressions "0" to "3" of a video that describes one object in four ways."""


class FramePrediction(Protocol):
    """What a predictor says of one frame; `vlp_rvos.segmenter.FrameResult` is one."""

    @property
    def masks(self) -> Any:
        """(E, H, W) bool array, one mask for each expression, at the frame's own size."""

    @property
    def presences(self) -> Any:
        """(E,) how sure the model is that each expression refers to something in the frame, in [0, 1]."""


Predictor = Callable[[Iterable[NDArray[np.uint8]], list[str]], Iterable[FramePrediction]]
"""From the frames of a video, (H, W, 3) uint8 RGB, and E expressions to one prediction per frame, lazily."""


@dataclass(frozen=True)
class Means:
    """Mean J and mean F, in [0, 1]."""

    j: float
    f: float

    def to_json(self) -> dict[str, float]:
        """With the names of the benchmark."""
        return {"J_mean": self.j, "F_mean": self.f, "J&F": (self.j + self.f) / 2}

    @classmethod
    def over(cls, parts: Iterable[Means]) -> Means | None:
        """Mean of means; None of nothing."""
        parts = list(parts)
        return cls(fmean(part.j for part in parts), fmean(part.f for part in parts)) if parts else None


@dataclass
class ExpressionScores:
    """Scores of one expression of a video; without frames where there is no truth to score against."""

    expression: str
    kind: str | None
    j: list[float] = field(default_factory=list)
    f: list[float] = field(default_factory=list)
    presences: list[float] = field(default_factory=list)

    @property
    def means(self) -> Means | None:
        """Means over the scored frames."""
        return Means(fmean(self.j), fmean(self.f)) if self.j else None


@dataclass
class DatasetScores:
    """Scores of every expression of every video."""

    videos: dict[str, dict[str, ExpressionScores]] = field(default_factory=dict)
    frames: int = 0
    seconds: float = 0.0
    """How long the predictor took, reading of the frames included and scoring left out."""

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

    def to_json(self, dataset: str, model: str) -> dict[str, Any]:
        """What `vlp-rvos evaluate run --json` writes; means are null where nothing could be scored."""
        none = {"J_mean": None, "F_mean": None, "J&F": None}
        videos = {
            name: {
                key: {
                    "expression": score.expression,
                    "kind": score.kind,
                    **(score.means.to_json() if score.means else none),
                    "J": score.j,
                    "F": score.f,
                    "presence": fmean(score.presences),
                }
                for key, score in scores.items()
            }
            for name, scores in self.videos.items()
        }
        over_videos = Means.over(self.video_means.values())
        return {
            "dataset": dataset,
            "model": model,
            "videos": videos,
            "video_means": {name: means.to_json() for name, means in self.video_means.items()},
            "kinds": {kind: {**means.to_json(), "n": n} for kind, (means, n) in self.kinds.items()},
            "mean_over_videos": over_videos.to_json() if over_videos else none,
            **(self.means.to_json() if self.means else none),
            "frames_per_second": self.frames_per_second,
        }

    def _expressions(self) -> Iterator[ExpressionScores]:
        return (score for scores in self.videos.values() for score in scores.values())


def evaluate_dataset(
    dataset: YTVOSDataset,
    predict: Predictor,
    *,
    output: Path | None = None,
    skip_ends: bool = False,
    kinds: Sequence[str] | None = None,
    on_frame: Callable[[int], None] | None = None,
) -> DatasetScores:
    """Predict every expression of every video and score it against the object that it refers to.

    Frames are predicted, scored and written as they come, so memory does not grow with the video. Expressions without
    an object id (test sets) are predicted and written, but not scored.

    Args:
        dataset: what to predict.
        predict: gets all expressions of a video at once.
        output: where to write masks, as `<video>/<expression id>/<frame>.png`, 0 and 255: what the Ref-YouTube-VOS
            server takes.
        skip_ends: leave every video's first and last frame out of the scores, as DAVIS-2017 does.
        kinds: names of the kinds of expression by position; see `expression_kinds`.
        on_frame: called after every frame with the number of frames of its video that are done.

    Returns:
        The scores. Scored frames are those that the data set's JSON file lists.

    Raises:
        UserError: a missing or broken file, masks of another size than the truth, or nothing to do.
        VLPRVOSError: the predictor gave too few or too many frames.
    """
    videos = [video for video in dataset.videos if video.expressions]
    if not videos:
        raise UserError(f"{dataset.meta_file} has no expressions")
    if output is None and not any(_scored(video) for video in videos):
        raise UserError(f"{dataset.meta_file} has no obj_id, so nothing can be scored; name an output folder for masks")
    for video in videos:
        _check_files(dataset, video, skip_ends)
    if output is not None:
        prepare_output(output, folder=True)

    result = DatasetScores()
    for video in videos:
        scores = {
            expression.id: ExpressionScores(expression.text, kind)
            for expression, kind in zip(video.expressions, expression_kinds(video, kinds), strict=True)
        }
        folders = [] if output is None else [output / video.name / expression.id for expression in video.expressions]
        for folder in folders:
            prepare_output(folder, folder=True)
        scored_frames = set(inner_frames(video.frames, video.name, skip_ends)) if _scored(video) else set()
        predictions = iter(predict(_frames(dataset, video), [expression.text for expression in video.expressions]))
        for done, frame in enumerate(video.frames, start=1):
            started = time.perf_counter()
            prediction = next(predictions, None)
            result.seconds += time.perf_counter() - started
            if prediction is None:
                raise VLPRVOSError(f"only {done - 1} of {len(video.frames)} frames of {video.name} were predicted")
            masks = np.asarray(prediction.masks, dtype=np.bool_)
            if masks.ndim != 3 or len(masks) != len(scores):
                raise VLPRVOSError(f"{video.name} has {len(scores)} expressions, but masks came as {masks.shape}")
            for score, presence in zip(scores.values(), prediction.presences, strict=True):
                score.presences.append(float(presence))
            if frame in scored_frames:
                _score(dataset, video, frame, masks, scores)
            if output is not None:
                for folder, mask in zip(folders, masks, strict=True):
                    write_atomically(folder / f"{frame}.png", _png(mask))
            result.frames += 1
            if on_frame is not None:
                on_frame(done)
        if next(predictions, None) is not None:
            raise VLPRVOSError(f"more than the {len(video.frames)} frames of {video.name} were predicted")
        result.videos[video.name] = scores
    return result


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


def _known(scores: Iterable[ExpressionScores]) -> Iterator[Means]:
    for score in scores:
        if (means := score.means) is not None:
            yield means


def _scored(video: VideoEntry) -> bool:
    return any(expression.object_id is not None for expression in video.expressions)


def _check_files(dataset: YTVOSDataset, video: VideoEntry, skip_ends: bool) -> None:
    """Missing files of the last video should not be found out after hours of prediction."""
    files = [dataset.frame_path(video.name, frame) for frame in video.frames]
    if _scored(video):
        scored = inner_frames(video.frames, video.name, skip_ends)
        files += [dataset.annotation_path(video.name, frame) for frame in scored]
    for file in files:
        if not file.is_file():
            raise UserError(f"no such image: {file}")


def _frames(dataset: YTVOSDataset, video: VideoEntry) -> Iterator[NDArray[np.uint8]]:
    shape = None
    for name in video.frames:
        frame = dataset.load_frame(video.name, name)
        shape = shape or frame.shape
        if frame.shape != shape:
            sizes = f"{frame.shape[1]}x{frame.shape[0]}, not {shape[1]}x{shape[0]}"
            raise UserError(f"{dataset.frame_path(video.name, name)} is {sizes} like the frames before it")
        yield frame


def _score(
    dataset: YTVOSDataset,
    video: VideoEntry,
    frame: str,
    masks: NDArray[np.bool_],
    scores: Mapping[str, ExpressionScores],
) -> None:
    ids = dataset.load_ids(video.name, frame)
    if masks.shape[1:] != ids.shape:
        sizes = ["{1}x{0}".format(*shape) for shape in (masks.shape[1:], ids.shape)]
        raise UserError(
            f"{dataset.frame_path(video.name, frame)} gave masks of {sizes[0]}, but "
            f"{dataset.annotation_path(video.name, frame)} is {sizes[1]}: frames and annotations must be of one size"
        )
    for expression, mask in zip(video.expressions, masks, strict=True):
        if expression.object_id is not None:
            j, f = score_frame(mask, ids == expression.object_id)
            scores[expression.id].j.append(j)
            scores[expression.id].f.append(f)


def _png(mask: NDArray[np.bool_]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG")
    return buffer.getvalue()
