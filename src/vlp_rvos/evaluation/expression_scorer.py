"""Score frames in which every expression has a mask of its own: most benchmarks.

Shapes: (H, W) pixels.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlp_rvos.data.benchmarks.referring_dataset import ReferringExpression, ReferringVideo
from vlp_rvos.evaluation.coco_entries import make_coco_entry
from vlp_rvos.evaluation.davis import TrueMask
from vlp_rvos.evaluation.frame_jobs import FrameJob
from vlp_rvos.evaluation.frame_scorer import FrameScorer
from vlp_rvos.evaluation.frame_scores import FrameScores
from vlp_rvos.evaluation.mask_paths import expression_mask_path
from vlp_rvos.media.image_files import read_mask
from vlp_rvos.media.png_mark import mark_png
from vlp_rvos.media.resizing import resize_mask
from vlp_rvos.utils.atomic import write_bytes

__all__ = ["ExpressionScorer"]


class ExpressionScorer(FrameScorer):
    """Compares the mask of each expression with the union of the objects that the expression refers to.

    Masks are images of 0 and 255, at `<video>/<expression id>/<frame>.png`.
    """

    def load_mask(self, job: FrameJob, expression: int) -> NDArray[np.bool_]:
        if job.masks is not None:
            mask: NDArray[np.bool_] = job.masks.unpack()[expression]
            return mask
        video = self.dataset.videos[job.video]
        return self._read(video, video.expressions[expression], job.frame)

    def mask_files(self, video: ReferringVideo, frame: str) -> list[Path]:
        return [expression_mask_path(video.name, expression.id, frame) for expression in video.expressions]

    def _score(self, job: FrameJob, video: ReferringVideo) -> FrameScores:
        if job.masks is not None:
            masks = list(job.masks.unpack())
        else:
            masks = [self._read(video, expression, job.frame) for expression in video.expressions]
        if self.output is not None:
            for expression, mask in zip(video.expressions, masks, strict=True):
                path = self.output / expression_mask_path(video.name, expression.id, job.frame)
                write_bytes(path, _to_png(Image.fromarray(mask.astype(np.uint8) * 255)))
        objects = self._load_true_objects(job, video)
        result = FrameScores([])
        true_masks: dict[tuple[int, ...], TrueMask] = {}
        for i, (expression, mask) in enumerate(zip(video.expressions, masks, strict=True)):
            ids = expression.object_ids
            truth = _union(ids, objects, mask.shape)
            if truth is None or ids is None:
                result.scores.append(None)
                result.coco_entries.append(None)
                continue
            if ids not in true_masks:
                true_masks[ids] = TrueMask(truth)
            if self.protocol.resize:
                mask = resize_mask(mask, truth.shape)
            self._check_size(mask.shape, truth.shape, job)
            result.scores.append(true_masks[ids].compare(mask))
            confidence = job.scores[i] if job.scores else 1.0
            result.coco_entries.append(
                make_coco_entry(truth, mask, confidence) if self.protocol.scores_images else None
            )
        return result

    def _read(self, video: ReferringVideo, expression: ReferringExpression, frame: str) -> NDArray[np.bool_]:
        assert self.predictions is not None
        return read_mask(self.predictions / expression_mask_path(video.name, expression.id, frame))


def _union(
    ids: tuple[int, ...] | None, objects: Mapping[int, NDArray[np.bool_]] | None, shape: tuple[int, ...]
) -> NDArray[np.bool_] | None:
    """True mask of an expression that refers to `ids`; None if the frame has no annotation of any of these objects."""
    if ids is None or objects is None:
        return None
    annotated = [objects[i] for i in ids if i in objects]
    if annotated:
        return annotated[0] if len(annotated) == 1 else np.logical_or.reduce(annotated)
    if ids:
        return None
    return np.zeros(next(iter(objects.values())).shape if objects else shape, np.bool_)


def _to_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return mark_png(buffer.getvalue())
