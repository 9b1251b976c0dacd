"""What is done with one frame: masks are read or unpacked, written, and compared with the truth.

A scorer is sent to every process of an evaluation once, jobs are small. Shapes: E expressions, (H, W) pixels.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlp_rvos.data.benchmarks.ref_davis import merge_objects
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringExpression, ReferringVideo
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation import protocols
from vlp_rvos.evaluation.davis import FrameScore, Mask, TrueMask
from vlp_rvos.media.image_files import read_mask, read_object_ids
from vlp_rvos.media.palette import palette_png
from vlp_rvos.media.resizing import resize_mask
from vlp_rvos.results import MAX_OBJECTS
from vlp_rvos.utils.atomic import write_bytes

__all__ = [
    "AnnotatorScorer",
    "ExpressionScorer",
    "FrameJob",
    "FrameOutcome",
    "FrameScorer",
    "PackedMasks",
    "Pairs",
    "Sample",
    "make_scorer",
    "mask_path",
]


@dataclass(frozen=True, slots=True)
class PackedMasks:
    """Masks at a bit a pixel."""

    bits: bytes
    shape: tuple[int, ...]

    @classmethod
    def pack(cls, masks: NDArray[np.bool_]) -> PackedMasks:
        """Masks (E, H, W)."""
        return cls(np.packbits(masks).tobytes(), masks.shape)

    def unpack(self) -> NDArray[np.bool_]:
        """(E, H, W)."""
        bits = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=int(np.prod(self.shape)))
        return bits.view(np.bool_).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class FrameJob:
    """One frame of one video.

    Attributes:
        video: its index in the data set.
        frame: its name.
        scored: whether the protocol scores it.
        masks: of all expressions of the video; None where they lie in a folder.
        scores: (E,) in [0, 1], how good each mask is thought to be.
    """

    video: int
    frame: str
    scored: bool
    masks: PackedMasks | None = None
    scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A true mask and a predicted one in COCO's run-length encoding, with the score of the latter."""

    truth: dict[str, Any]
    prediction: dict[str, Any]
    score: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """Every object that one annotator's masks show against every true object.

    Attributes:
        objects: ids of the true objects.
        scores: (objects that were looked for, true objects); the former are the true objects, then others.
    """

    objects: tuple[int, ...]
    scores: list[list[FrameScore]]


@dataclass
class FrameOutcome:
    """What is known of a frame when it is done.

    Attributes:
        scores: one for each expression; None where there is no truth.
        samples: the same, where the protocol needs the masks themselves.
        pairs: by annotator, where the protocol has annotators.
    """

    scores: list[FrameScore | None]
    samples: list[Sample | None] = field(default_factory=list)
    pairs: dict[str, Pairs] = field(default_factory=dict)


@runtime_checkable
class HasVoid(Protocol):
    """A data set with pixels that belong to no measure."""

    def load_void(self, video: str, frame: str) -> NDArray[np.bool_]:
        """(H, W), True where a pixel does not count."""


@dataclass(frozen=True)
class FrameScorer(ABC):
    """Scores the frames of a data set.

    Attributes:
        dataset: where the truth is.
        protocol: of the benchmark.
        predictions: folder of masks, for jobs that have none.
        output: folder to write the masks to.
    """

    dataset: ReferringDataset
    protocol: protocols.Protocol
    predictions: Path | None = None
    output: Path | None = None

    def __call__(self, job: FrameJob) -> FrameOutcome:
        """Do a job.

        Raises:
            UserError: an image is missing, broken or of the wrong size, or cannot be written.
        """
        video = self.dataset.videos[job.video]
        if not job.scored and self.output is None:
            return FrameOutcome([None] * len(video.expressions))
        return self._process(job, video)

    @abstractmethod
    def mask(self, job: FrameJob, expression: int) -> NDArray[np.bool_]:
        """(H, W), what was predicted for an expression, given by its position in the video."""

    @abstractmethod
    def files(self, video: ReferringVideo, frame: str) -> list[Path]:
        """Where the masks of a frame are, inside a folder of predictions."""

    @abstractmethod
    def _process(self, job: FrameJob, video: ReferringVideo) -> FrameOutcome: ...

    def _truth(self, job: FrameJob, video: ReferringVideo) -> dict[int, NDArray[np.bool_]] | None:
        return self.dataset.load_objects(video.name, job.frame) if job.scored else None

    def _check_size(self, found: tuple[int, ...], wanted: tuple[int, ...], job: FrameJob) -> None:
        if found != wanted:
            sizes = ["{1}x{0}".format(*size) for size in (found, wanted)]
            raise UserError(
                f"frame {job.frame} of video {self.dataset.videos[job.video].name}: the predicted mask is {sizes[0]}, "
                f"but the annotation {sizes[1]}; both must be of the frame's size"
            )


class ExpressionScorer(FrameScorer):
    """Every expression has a mask of its own: `<video>/<expression id>/<frame>.png`, 0 and 255."""

    def mask(self, job: FrameJob, expression: int) -> NDArray[np.bool_]:
        if job.masks is not None:
            mask: NDArray[np.bool_] = job.masks.unpack()[expression]
            return mask
        video = self.dataset.videos[job.video]
        return self._read(video, video.expressions[expression], job.frame)

    def files(self, video: ReferringVideo, frame: str) -> list[Path]:
        return [mask_path(video.name, expression.id, frame) for expression in video.expressions]

    def _process(self, job: FrameJob, video: ReferringVideo) -> FrameOutcome:
        if job.masks is not None:
            masks = list(job.masks.unpack())
        else:
            masks = [self._read(video, expression, job.frame) for expression in video.expressions]
        if self.output is not None:
            for expression, mask in zip(video.expressions, masks, strict=True):
                path = self.output / mask_path(video.name, expression.id, job.frame)
                write_bytes(path, _png(Image.fromarray(mask.astype(np.uint8) * 255)))
        objects = self._truth(job, video)
        outcome = FrameOutcome([])
        truths: dict[tuple[int, ...], TrueMask] = {}
        for i, (expression, mask) in enumerate(zip(video.expressions, masks, strict=True)):
            ids = expression.object_ids
            truth = _union(ids, objects, mask.shape)
            if truth is None or ids is None:
                outcome.scores.append(None)
                outcome.samples.append(None)
                continue
            if ids not in truths:
                truths[ids] = TrueMask(truth)
            if self.protocol.resize:
                mask = resize_mask(mask, truth.shape)
            self._check_size(mask.shape, truth.shape, job)
            outcome.scores.append(truths[ids].compare(mask))
            score = job.scores[i] if job.scores else 1.0
            outcome.samples.append(_sample(truth, mask, score) if self.protocol.in_pictures else None)
        return outcome

    def _read(self, video: ReferringVideo, expression: ReferringExpression, frame: str) -> NDArray[np.bool_]:
        assert self.predictions is not None
        return read_mask(self.predictions / mask_path(video.name, expression.id, frame))


class AnnotatorScorer(FrameScorer):
    """All objects of one annotator share an image of object ids: `<annotator>/<video>/<frame>.png`, in a palette."""

    def mask(self, job: FrameJob, expression: int) -> NDArray[np.bool_]:
        video = self.dataset.videos[job.video]
        chosen = video.expressions[expression]
        mask: NDArray[np.bool_] = self._labels(job, video)[chosen.annotator or ""] == _object_of(chosen)
        return mask

    def files(self, video: ReferringVideo, frame: str) -> list[Path]:
        return [_label_path(video.name, annotator, frame) for annotator in _by_annotator(video)]

    def _process(self, job: FrameJob, video: ReferringVideo) -> FrameOutcome:
        labels = self._labels(job, video)
        if self.output is not None:
            for annotator, ids in labels.items():
                png = palette_png(ids, (0, 0), (ids.shape[0], ids.shape[1]), MAX_OBJECTS)
                write_bytes(self.output / _label_path(video.name, annotator, job.frame), png)
        objects = self._truth(job, video)
        outcome = FrameOutcome([None] * len(video.expressions))
        if not objects:
            return outcome
        counted = None
        if isinstance(self.dataset, HasVoid):
            counted = ~self.dataset.load_void(video.name, job.frame)
        true = {i: TrueMask(_counted(mask, counted)) for i, mask in objects.items()}
        shape = next(iter(objects.values())).shape
        for annotator, positions in _by_annotator(video).items():
            ids = labels[annotator]
            self._check_size(ids.shape, shape, job)
            own = [_object_of(video.expressions[position]) for position in positions]
            shown = list(dict.fromkeys([*true, *own]))
            masks = [_counted(ids == i, counted) for i in shown]
            scores = [[truth.compare(mask) for truth in true.values()] for mask in masks]
            outcome.pairs[annotator] = Pairs(tuple(true), scores)
            for position, i in zip(positions, own, strict=True):
                if i in true:
                    index = list(true).index(i)
                    outcome.scores[position] = scores[index][index]
        return outcome

    def _labels(self, job: FrameJob, video: ReferringVideo) -> dict[str, NDArray[np.uint8]]:
        """Annotator -> object ids (H, W)."""
        groups = _by_annotator(video)
        if job.masks is None:
            assert self.predictions is not None
            return {key: read_object_ids(self.predictions / _label_path(video.name, key, job.frame)) for key in groups}
        masks = job.masks.unpack()
        labels = {}
        for annotator, positions in groups.items():
            # One is added because a pixel of a mask counts even where its score is 0.
            scores = np.stack([masks[i] * np.float32(1 + job.scores[i]) for i in positions])
            labels[annotator] = merge_objects(scores, [_object_of(video.expressions[i]) for i in positions], 1.0)
        return labels


def make_scorer(
    dataset: ReferringDataset,
    protocol: protocols.Protocol,
    *,
    predictions: Path | None = None,
    output: Path | None = None,
) -> FrameScorer:
    """The scorer that a protocol needs."""
    kind = AnnotatorScorer if protocol.measure is protocols.Measure.annotators else ExpressionScorer
    return kind(dataset, protocol, predictions, output)


def mask_path(video: str, expression: str, frame: str) -> Path:
    """Where the servers of Ref-YouTube-VOS and MeViS expect a mask, inside a folder of predictions."""
    return Path(video) / expression / f"{frame}.png"


def _label_path(video: str, annotator: str, frame: str) -> Path:
    return Path(annotator) / video / f"{frame}.png"


def _by_annotator(video: ReferringVideo) -> dict[str, list[int]]:
    """Annotator -> positions of the expressions; without annotators all are one's."""
    groups: dict[str, list[int]] = {}
    for i, expression in enumerate(video.expressions):
        groups.setdefault(expression.annotator or "", []).append(i)
    return groups


def _object_of(expression: ReferringExpression) -> int:
    if expression.object_ids is None or len(expression.object_ids) != 1:
        raise UserError(f"expression '{expression.text}' must refer to one object to be merged with the others")
    return expression.object_ids[0]


def _union(
    ids: tuple[int, ...] | None, objects: Mapping[int, NDArray[np.bool_]] | None, shape: tuple[int, ...]
) -> NDArray[np.bool_] | None:
    """What an expression refers to in a frame; None where nothing is known of its objects there."""
    if ids is None or objects is None:
        return None
    there = [objects[i] for i in ids if i in objects]
    if there:
        return there[0] if len(there) == 1 else np.logical_or.reduce(there)
    if ids:
        return None
    return np.zeros(next(iter(objects.values())).shape if objects else shape, np.bool_)


def _counted(mask: Mask, counted: Mask | None) -> Mask:
    return mask if counted is None else mask & counted


def _sample(truth: Mask, prediction: Mask, score: float) -> Sample:
    # Most benchmarks do without: the library takes a while to import.
    from vlp_rvos.media.rle import encode_mask

    return Sample(encode_mask(truth), encode_mask(prediction), score)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
