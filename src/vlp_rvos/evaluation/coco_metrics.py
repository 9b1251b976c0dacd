"""Metrics of A2D-Sentences, JHMDB-Sentences and RefCOCO, from masks in COCO's file formats.

In these formats, each expression in each scored frame is an image of its own, with one true mask. Sources: for the
first two, the evaluation that work on A2D-Sentences shares since MTTR (Botach et al., CVPR 2022, `metrics.py` of its
release), on top of COCO's own (`pycocotools`); for RefCOCO overall IoU, mean IoU and P@K of the same masks (Yang et
al., LAVT, CVPR 2022).
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vlp_rvos.arrays import Size
from vlp_rvos.data.sources.files import read_json
from vlp_rvos.errors import UserError
from vlp_rvos.media.rle import compress, mask_area, mask_overlap

__all__ = ["average_precision", "evaluate_rle", "overlap_metrics", "read_rle_files"]

PRECISION_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""The K of P@K."""

EPSILON = 1e-6
"""Keeps the IoU of two empty masks defined; it is 1."""


def evaluate_rle(truth: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """All metrics: those of `average_precision`, then those of `overlap_metrics`.

    Args:
        truth: true masks in COCO's annotation format: "images" (id, width, height), and "annotations" (image_id,
            segmentation) with one annotation for each image. Images without polygons may leave out their size.
        predictions: predicted masks in COCO's result format (image_id, segmentation, score), one or more for each
            image. Scores are finite numbers. Categories are ignored.

    Raises:
        UserError: an entry does not have this form, or an image has no annotation or no prediction.
    """
    return average_precision(truth, predictions) | overlap_metrics(truth, predictions)


def average_precision(truth: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """COCO's average precision, over all areas and up to 100 predictions an image.

    See `evaluate_rle` for arguments and errors.

    Returns:
        "mAP@0.5:0.95", "AP@0.5" and "AP@0.75", in [0, 1].
    """
    true, predicted = _read(truth, predictions)
    images = [
        {"id": image, "height": entry["segmentation"]["size"][0], "width": entry["segmentation"]["size"][1]}
        for image, entry in true.items()
    ]
    # COCOeval prints its progress to standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            _coco(images, ((image, entry) for image, entry in true.items())),
            _coco(images, ((image, entry) for image, entries in predicted.items() for entry in entries)),
            iouType="segm",
        )
        evaluation.params.useCats = 0
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [100]
        evaluation.evaluate()
        evaluation.accumulate()
    # (thresholds, recalls): the other axes are category, area and number of predictions.
    precision = evaluation.eval["precision"][:, :, 0, 0, 0]
    thresholds = evaluation.params.iouThrs
    result = {"mAP@0.5:0.95": float(precision.mean())}
    for threshold in (0.5, 0.75):
        result[f"AP@{threshold}"] = float(precision[np.isclose(thresholds, threshold)].mean())
    return result


def overlap_metrics(truth: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """How well each image's best-scored prediction overlaps its true mask.

    See `evaluate_rle` for arguments and errors.

    Returns:
        "P@0.5" to "P@0.9": share of images with a larger IoU; "overall_iou": all intersections by all unions;
        "mean_iou": mean over images. IoUs have single precision, like the official ones.
    """
    true, predicted = _read(truth, predictions)
    intersections, unions, ious = 0, 0, []
    for image, entry in true.items():
        # Of equal scores the last one counts, as in the official evaluation.
        best = sorted(predicted[image], key=lambda candidate: float(candidate["score"]))[-1]
        intersection, union = mask_overlap(entry["segmentation"], best["segmentation"])
        intersections += intersection
        unions += union
        ious.append(_single_precision_iou(intersection, union))
    result = {f"P@{threshold}": fmean(iou > threshold for iou in ious) for threshold in PRECISION_THRESHOLDS}
    overall = intersections / unions if unions else 1.0
    return result | {"overall_iou": overall, "mean_iou": float(np.mean(ious))}


def read_rle_files(truth: Path, predictions: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read the two files whose contents `evaluate_rle` takes.

    Args:
        truth: JSON file of the true masks.
        predictions: JSON file of the predicted masks.

    Raises:
        UserError: a file cannot be read, or its content is of another kind.
    """
    true, predicted = read_json(truth), read_json(predictions)
    if not isinstance(true, dict):
        raise UserError(f"{truth} is not in COCO's annotation format: a mapping with 'images' and 'annotations'")
    if not isinstance(predicted, list):
        raise UserError(f"{predictions} is not in COCO's result format: a list of predictions")
    return true, predicted


def _single_precision_iou(intersection: int, union: int) -> float:
    epsilon = np.float32(EPSILON)
    return float((np.float32(intersection) + epsilon) / (np.float32(union) + epsilon))


def _read(
    truth: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]
) -> tuple[dict[Any, dict[str, Any]], dict[Any, list[dict[str, Any]]]]:
    """The true entry, and the predicted entries, of each image in their order, with compressed segmentations."""
    sizes: dict[int | str, Size | None] = {}
    for entry in _list(truth, "images"):
        image = _field(entry, "id", "image")
        if image in sizes:
            raise UserError(f"the ground truth lists image {image!r:.80} twice")
        sizes[image] = _size(entry, image)
    if not sizes:
        raise UserError("the ground truth has no images")
    true: dict[Any, dict[str, Any]] = {}
    for entry in _list(truth, "annotations"):
        image = _field(entry, "image_id", "annotation")
        if image in true:
            raise UserError(f"image {image!r:.80} of the ground truth has two annotations; it must have one")
        true[image] = _entry(entry, sizes, "annotation")
    predicted: dict[Any, list[dict[str, Any]]] = {image: [] for image in sizes}
    for entry in predictions:
        converted = _entry(entry, sizes, "prediction")
        score = _score(entry.get("score"), f"a prediction of image {entry['image_id']!r:.80}")
        predicted[entry["image_id"]].append(converted | {"score": score})
    for image in sizes:
        if image not in true:
            raise UserError(f"image {image!r:.80} of the ground truth has no annotation")
        if not predicted[image]:
            missing = sum(not entries for entries in predicted.values())
            raise UserError(f"no prediction for image {image!r:.80} ({missing} of {len(sizes)} images have none)")
        heights = {tuple(entry["segmentation"]["size"]) for entry in (true[image], *predicted[image])}
        if len(heights) > 1:
            raise UserError(f"the masks of image {image!r:.80} have different sizes: {sorted(heights)}")
    return {image: true[image] for image in sizes}, predicted


def _list(content: Mapping[str, Any], key: str) -> list[Any]:
    value = content.get(key)
    if not isinstance(value, list):
        raise UserError(f"the ground truth has no list '{key}'")
    return value


def _field(entry: Any, key: str, what: str) -> Any:
    value = entry.get(key) if isinstance(entry, Mapping) else None
    # In Python, true is the number 1.
    if not isinstance(value, int | str) or isinstance(value, bool):
        raise UserError(f"one {what} has no valid '{key}': {entry!r:.80}")
    return value


def _size(entry: Mapping[str, Any], image: object) -> Size | None:
    """(H, W) of an image; None where the ground truth leaves it out."""
    height, width = entry.get("height"), entry.get("width")
    if height is None and width is None:
        return None
    for side in (height, width):
        if not isinstance(side, int) or isinstance(side, bool) or side < 1:
            raise UserError(f"image {image!r:.80} of the ground truth has no valid height and width")
    assert height is not None
    assert width is not None
    return height, width


def _score(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{where} has no number 'score'")
    try:
        score = float(value)
    except OverflowError:
        score = math.inf
    if not math.isfinite(score):
        raise UserError(f"{where} has a score that is not finite, by which masks cannot be ranked")
    return score


def _entry(entry: Any, sizes: Mapping[int | str, Size | None], what: str) -> dict[str, Any]:
    image = _field(entry, "image_id", what)
    if image not in sizes:
        raise UserError(f"one {what} is of image {image!r:.80}, which the ground truth does not list")
    try:
        return {"segmentation": compress(entry.get("segmentation"), sizes[image])}
    except ValueError as error:
        raise UserError(f"the {what} of image {image!r:.80} has no readable segmentation ({error})") from error


def _coco(images: list[dict[str, Any]], entries: Iterable[tuple[Any, dict[str, Any]]]) -> COCO:
    result = COCO()
    result.dataset = {
        "images": images,
        "categories": [{"id": 1}],
        "annotations": [
            {
                "id": i,
                "image_id": image,
                "category_id": 1,
                "area": float(mask_area(entry["segmentation"])),
                "iscrowd": 0,
                **entry,
            }
            for i, (image, entry) in enumerate(entries, start=1)
        ],
    }
    result.createIndex()
    return result
