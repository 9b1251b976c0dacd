"""Pairs of a true and a predicted mask, as the entries of COCO-format files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CocoEntries", "CocoEntry", "coco_predictions", "coco_truth", "make_coco_entry"]


@dataclass(frozen=True, slots=True)
class CocoEntry:
    """The masks of one expression in one frame; each such pair is an image of the COCO-format files.

    Attributes:
        truth: the true mask, in COCO's run-length encoding.
        prediction: the predicted mask, in COCO's run-length encoding.
        score: confidence of the prediction, in [0, 1].
    """

    truth: dict[str, Any]
    prediction: dict[str, Any]
    score: float


CocoEntries = Mapping[tuple[str, str, str], CocoEntry]
"""(video, expression id, frame) -> masks."""


def make_coco_entry(truth: NDArray[np.bool_], prediction: NDArray[np.bool_], score: float) -> CocoEntry:
    """Encode a true mask (H, W) and a predicted mask (H, W)."""
    # Most benchmarks do not need the library, which takes a while to import.
    from vlp_rvos.media.rle import encode_mask

    return CocoEntry(encode_mask(truth), encode_mask(prediction), score)


def coco_truth(entries: CocoEntries) -> dict[str, Any]:
    """The true masks in COCO's annotation format; each image names its video, expression and frame."""
    images = [
        {
            "id": i,
            "height": entry.truth["size"][0],
            "width": entry.truth["size"][1],
            "video": video,
            "expression_id": expression,
            "frame": frame,
        }
        for i, ((video, expression, frame), entry) in enumerate(entries.items(), start=1)
    ]
    annotations = [
        {"id": i, "image_id": i, "category_id": 1, "segmentation": entry.truth, "iscrowd": 0}
        for i, entry in enumerate(entries.values(), start=1)
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}


def coco_predictions(entries: CocoEntries) -> list[dict[str, Any]]:
    """The predicted masks in COCO's result format, with the image ids of `coco_truth`."""
    return [
        {"image_id": i, "category_id": 1, "segmentation": entry.prediction, "score": entry.score}
        for i, entry in enumerate(entries.values(), start=1)
    ]
