"""Score frames in which all objects of one annotator share an image of object ids: Ref-DAVIS17.

Shapes: (H, W) pixels.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.ref_davis import merge_objects
from vlp_rvos.data.benchmarks.referring_dataset import ReferringExpression, ReferringVideo
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.evaluation.davis import Mask, TrueMask
from vlp_rvos.evaluation.frame_jobs import FrameJob
from vlp_rvos.evaluation.frame_scorer import FrameScorer
from vlp_rvos.evaluation.frame_scores import FrameScores, ScoreMatrix
from vlp_rvos.evaluation.mask_paths import annotator_mask_path
from vlp_rvos.media.frame_record import MAX_OBJECTS
from vlp_rvos.media.image_files import is_black_and_white, read_object_ids
from vlp_rvos.media.palette import palette_png
from vlp_rvos.utils.atomic import write_bytes

__all__ = ["AnnotatorScorer"]


@runtime_checkable
class HasVoid(Protocol):
    """A data set with void pixels, which are left out of every score."""

    def load_void(self, video: str, frame: str) -> NDArray[np.bool_]:
        """The void pixels of a frame, (H, W) bool."""


class AnnotatorScorer(FrameScorer):
    """Compares every object of an annotator with every true object.

    Masks are palette images of object ids, at `<annotator>/<video>/<frame>.png`. Where predicted masks overlap, a pixel
    belongs to the object with the highest confidence.
    """

    def load_mask(self, job: FrameJob, expression: int) -> NDArray[np.bool_]:
        video = self.dataset.videos[job.video]
        chosen = video.expressions[expression]
        mask: NDArray[np.bool_] = self._load_ids(job, video)[chosen.annotator or ""] == _object_of(chosen)
        return mask

    def mask_files(self, video: ReferringVideo, frame: str) -> list[Path]:
        return [annotator_mask_path(annotator, video.name, frame) for annotator in _by_annotator(video)]

    def _score(self, job: FrameJob, video: ReferringVideo) -> FrameScores:
        predicted = self._load_ids(job, video)
        if self.output is not None:
            for annotator, ids in predicted.items():
                png = palette_png(ids, (0, 0), (ids.shape[0], ids.shape[1]), MAX_OBJECTS)
                write_bytes(self.output / annotator_mask_path(annotator, video.name, job.frame), png)
        objects = self._load_true_objects(job, video)
        result = FrameScores([None] * len(video.expressions))
        if not objects:
            return result
        valid = ~self.dataset.load_void(video.name, job.frame) if isinstance(self.dataset, HasVoid) else None
        true = {i: TrueMask(_without_void(mask, valid)) for i, mask in objects.items()}
        shape = next(iter(objects.values())).shape
        for annotator, positions in _by_annotator(video).items():
            ids = predicted[annotator]
            self._check_size(ids.shape, shape, job)
            described = [_object_of(video.expressions[position]) for position in positions]
            masks = [_without_void(ids == i, valid) for i in dict.fromkeys([*true, *described])]
            scores = [[truth.compare(mask) for truth in true.values()] for mask in masks]
            result.matrices[annotator] = ScoreMatrix(tuple(true), scores)
            for position, i in zip(positions, described, strict=True):
                if i in true:
                    index = list(true).index(i)
                    result.scores[position] = scores[index][index]
        return result

    def _load_ids(self, job: FrameJob, video: ReferringVideo) -> dict[str, NDArray[np.uint8]]:
        """Annotator -> predicted object ids (H, W)."""
        groups = _by_annotator(video)
        if job.masks is None:
            assert self.predictions is not None
            files = {key: self.predictions / annotator_mask_path(key, video.name, job.frame) for key in groups}
            if job.frame == video.frames[0]:
                for file in filter(is_black_and_white, files.values()):
                    message = f"{file} holds only 0 and 255: in such masks of a video, 255 is read as object 1"
                    warnings.warn(message, VLPRVOSWarning, stacklevel=3)
            return {key: read_object_ids(file) for key, file in files.items()}
        masks = job.masks.unpack()
        merged = {}
        for annotator, positions in groups.items():
            # Adding 1 keeps the pixels of masks with a confidence of 0.
            scores = np.stack([masks[i] * np.float32(1 + job.scores[i]) for i in positions])
            merged[annotator] = merge_objects(scores, [_object_of(video.expressions[i]) for i in positions], 1.0)
        return merged


def _by_annotator(video: ReferringVideo) -> dict[str, list[int]]:
    """Annotator -> positions of the annotator's expressions; the annotator is "" where a data set names none."""
    groups: dict[str, list[int]] = {}
    for i, expression in enumerate(video.expressions):
        groups.setdefault(expression.annotator or "", []).append(i)
    return groups


def _object_of(expression: ReferringExpression) -> int:
    if expression.object_ids is None or len(expression.object_ids) != 1:
        raise UserError(f"expression '{expression.text}' must refer to one object to be merged with the others")
    return expression.object_ids[0]


def _without_void(mask: Mask, valid: Mask | None) -> Mask:
    return mask if valid is None else mask & valid
