"""Pairs of a true and a predicted mask, as the entries of COCO-format files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.utils.atomic import write_failure
from vlp_rvos.utils.json_text import json_text
from vlp_rvos.utils.output_files import refuse_foreign
from vlp_rvos.utils.output_set import Check, OutputSet, finish_earlier_sets

__all__ = [
    "CocoEntries",
    "CocoEntry",
    "check_coco_files",
    "coco_predictions",
    "coco_truth",
    "make_coco_entry",
    "write_coco_files",
]

TRUTH, PREDICTIONS = "ground_truth.json", "predictions.json"
#: Both files are checked before the run; see `check_coco_files`.
FILES: dict[str, Check] = {PREDICTIONS: lambda _: None, TRUTH: lambda _: None}
DESCRIPTION = "true masks of a benchmark, written by vlp-rvos"


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


def write_coco_files(entries: CocoEntries, folder: Path) -> None:
    """Write `predictions.json` and `ground_truth.json`, which holds a hash of the other one.

    Raises:
        UserError: a file cannot be written.
    """
    predictions = json_text(coco_predictions(entries)).encode()
    info = {"description": DESCRIPTION, "predictions_sha256": hashlib.sha256(predictions).hexdigest()}
    try:
        with OutputSet(folder, FILES) as outputs:
            outputs.part(PREDICTIONS).write_bytes(predictions)
            outputs.part(TRUTH).write_text(json_text({"info": info} | coco_truth(entries)), encoding="utf-8")
    except OSError as error:
        raise write_failure(folder, error) from error


def check_coco_files(folder: Path) -> None:
    """Check that nothing stands in the place of the two files but what `write_coco_files` wrote, unchanged.

    Raises:
        UserError: something else does.
    """
    finish_earlier_sets(folder, FILES)
    info = _info(folder / TRUTH)
    refuse_foreign(folder / TRUTH, lambda _: info.get("description") == DESCRIPTION)
    refuse_foreign(
        folder / PREDICTIONS,
        lambda path: info.get("predictions_sha256") == hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _info(file: Path) -> dict[str, Any]:
    try:
        info = json.loads(file.read_bytes()).get("info")
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    return info if isinstance(info, dict) else {}
