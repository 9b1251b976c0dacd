"""J and F of the DAVIS-2017 benchmark, and their statistics over a video.

J, the region similarity, is the intersection over union of two masks. F, the boundary measure, is the harmonic mean
of boundary precision and recall: the share of one mask's boundary pixels that have a boundary pixel of the other mask
within 0.8 % of the image's diagonal. Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for
Video Object Segmentation" (CVPR 2016), with the conventions of the official DAVIS-2017 evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Statistics", "boundary_map", "boundary_measure", "region_similarity", "score_frame", "statistics"]

Mask = NDArray[np.bool_]

BOUNDARY_TOLERANCE = 0.008
"""How far a boundary pixel may be off, as a share of the image's diagonal."""

RECALL_THRESHOLD = 0.5
DECAY_BINS = 4


class Statistics(NamedTuple):
    """What DAVIS reports of a measure over one video."""

    mean: float
    recall: float
    """Share of the frames that score more than 0.5."""
    decay: float
    """Mean over the first quarter of the frames minus mean over the last: what is lost over time."""


def region_similarity(prediction: Mask, truth: Mask) -> float:
    """J: intersection over union; 1 when both masks are empty.

    Args:
        prediction: (H, W) bool.
        truth: (H, W) bool.

    Returns:
        J in [0, 1].

    Raises:
        ValueError: the masks are not two boolean images of one size.
    """
    _check(prediction, truth)
    return _region_similarity(*_crop(prediction, truth))


def boundary_measure(prediction: Mask, truth: Mask) -> float:
    """F: harmonic mean of boundary precision and recall.

    It is 1 when neither mask has a boundary (empty, or the whole image) and 0 when only one of them has.

    Args:
        prediction: (H, W) bool.
        truth: (H, W) bool.

    Returns:
        F in [0, 1].

    Raises:
        ValueError: the masks are not two boolean images of one size.
    """
    _check(prediction, truth)
    return _boundary_measure(*_crop(prediction, truth), _tolerance(truth.shape))


def score_frame(prediction: Mask, truth: Mask) -> tuple[float, float]:
    """J and F of one frame, as `region_similarity` and `boundary_measure` give them, in one go.

    Args:
        prediction: (H, W) bool.
        truth: (H, W) bool.

    Returns:
        J and F, both in [0, 1].

    Raises:
        ValueError: the masks are not two boolean images of one size.
    """
    _check(prediction, truth)
    cropped = _crop(prediction, truth)
    return _region_similarity(*cropped), _boundary_measure(*cropped, _tolerance(truth.shape))


def statistics(values: Sequence[float]) -> Statistics:
    """Mean, recall and decay of a measure over the frames of one video.

    The bins of the decay share their end frames, as in the official evaluation. That one keeps the bin limits in
    eight bits, which wrap around after 256 frames; here they do not. [D]

    Args:
        values: one value per frame, in the order of the frames.

    Raises:
        ValueError: no values.
    """
    if not len(values):
        raise ValueError("no values to take statistics of")
    series = np.asarray(values, dtype=np.float64)
    # The small offset makes halves round up, which np.round alone sends to the even neighbour.
    limits = np.round(np.linspace(1, len(series), DECAY_BINS + 1) + 1e-10).astype(np.int64) - 1
    first, last = series[limits[0] : limits[1] + 1], series[limits[-2] : limits[-1] + 1]
    return Statistics(
        mean=float(series.mean()),
        recall=float((series > RECALL_THRESHOLD).mean()),
        decay=float(first.mean() - last.mean()),
    )


def boundary_map(mask: Mask) -> Mask:
    """Boundary of a mask, one pixel wide and half a pixel towards the origin from the true boundary.

    A pixel belongs to it when it differs from its right, lower or lower right neighbour; the image goes on beyond its
    right and lower borders as it ends there, so that a mask that touches a border has no boundary along it.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) bool.
    """
    extended = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    boundary: Mask = (mask != extended[:-1, 1:]) | (mask != extended[1:, :-1]) | (mask != extended[1:, 1:])
    return boundary


def _check(prediction: Mask, truth: Mask) -> None:
    if prediction.ndim != 2 or prediction.shape != truth.shape:
        raise ValueError(f"masks must be (H, W) of one size, not {prediction.shape} and {truth.shape}")
    if prediction.dtype != np.bool_ or truth.dtype != np.bool_:
        raise ValueError(f"masks must be bool, not {prediction.dtype} and {truth.dtype}")


def _crop(prediction: Mask, truth: Mask) -> tuple[Mask, Mask]:
    """Both masks inside their common bounding box: scores do not change and most of an image is background.

    One background pixel is kept on every side that is not the image's border, so that boundaries stay the same.
    """
    either = prediction | truth
    rows = np.flatnonzero(either.any(axis=1))
    if not len(rows):
        return prediction[:1, :1], truth[:1, :1]
    columns = np.flatnonzero(either[rows[0] : rows[-1] + 1].any(axis=0))
    box = (slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2))
    return prediction[box], truth[box]


def _tolerance(shape: tuple[int, ...]) -> int:
    return math.ceil(BOUNDARY_TOLERANCE * math.hypot(*shape))


def _region_similarity(prediction: Mask, truth: Mask) -> float:
    union = int(np.count_nonzero(prediction | truth))
    return int(np.count_nonzero(prediction & truth)) / union if union else 1.0


def _boundary_measure(prediction: Mask, truth: Mask, radius: int) -> float:
    predicted, true = boundary_map(prediction), boundary_map(truth)
    predicted_pixels, true_pixels = int(np.count_nonzero(predicted)), int(np.count_nonzero(true))
    if not predicted_pixels and not true_pixels:
        return 1.0
    if not predicted_pixels or not true_pixels:
        return 0.0
    precision = _count_near(predicted, true, radius) / predicted_pixels
    recall = _count_near(true, predicted, radius) / true_pixels
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def _count_near(points: Mask, targets: Mask, radius: int) -> int:
    """How many of `points` have one of `targets` within `radius` pixels (Euclidean, inclusive).

    This is what a dilation of `targets` with a disk tells at `points`. Boundaries are thin, so it is asked only there:
    the disk is a stack of horizontal runs, and running sums along the rows say whether a run holds a target.
    """
    height, width = targets.shape
    sums = np.zeros((height + 2 * radius, width + 2 * radius + 1), dtype=np.int32)
    inner = sums[radius : radius + height]
    np.cumsum(targets, axis=1, out=inner[:, radius + 1 : radius + 1 + width])
    inner[:, radius + 1 + width :] = inner[:, radius + width, None]

    stride = sums.shape[1]
    flat = sums.reshape(-1)
    rows, columns = np.nonzero(points)
    left = (rows + radius) * stride + columns + radius
    total = len(left)
    for offset in sorted(range(-radius, radius + 1), key=abs):
        half = math.isqrt(radius * radius - offset * offset)
        start = left + (offset * stride - half)
        left = left[flat[start] == flat[start + (2 * half + 1)]]
    return total - len(left)
