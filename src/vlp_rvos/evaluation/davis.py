"""J and F of the DAVIS-2017 benchmark, and their statistics over a video.

J, the region similarity, is the intersection over union of two masks. F, the boundary measure, is the harmonic mean of
boundary precision and boundary recall. Precision is the share of the predicted boundary's pixels that have a pixel of
the true boundary within 0.8 % of the image's diagonal; recall is the same with the two boundaries exchanged. Source:
Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation" (CVPR 2016), with the
conventions of the official DAVIS-2017 evaluation. The mark [D] is explained in `docs/method.md`: our decision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MaskScore",
    "Statistics",
    "TrueMask",
    "boundary_map",
    "boundary_measure",
    "region_similarity",
    "score_frame",
    "statistics",
]

Mask = NDArray[np.bool_]
Points = NDArray[np.intp]

BOUNDARY_TOLERANCE = 0.008
"""Largest distance between two boundary pixels that match, as a share of the image's diagonal."""

RECALL_THRESHOLD = 0.5
DECAY_BINS = 4


class Statistics(NamedTuple):
    """The statistics of J or F over one video that DAVIS reports.

    Attributes:
        mean: mean over the frames, in [0, 1].
        recall: share of the frames that score more than 0.5.
        decay: mean over the first quarter of the frames minus mean over the last quarter, in [-1, 1].
    """

    mean: float
    recall: float
    decay: float


class MaskScore(NamedTuple):
    """Comparison of a predicted mask with the true one.

    Attributes:
        j: region similarity, in [0, 1].
        f: boundary measure, in [0, 1].
        predicted_area: number of pixels of the predicted mask.
        true_area: number of pixels of the true mask.
        common_area: number of pixels that are in both masks.
    """

    j: float
    f: float
    predicted_area: int
    true_area: int
    common_area: int

    @property
    def wrong_area(self) -> int:
        """Number of pixels that are in one of the masks only."""
        return self.predicted_area + self.true_area - 2 * self.common_area


class TrueMask:
    """A true mask to compare predictions with; its boundary is found once for all of them.

    Args:
        mask: the true mask, (H, W) bool.

    Raises:
        ValueError: the mask is not a boolean image.
    """

    def __init__(self, mask: Mask) -> None:
        if mask.ndim != 2 or mask.dtype != np.bool_:
            raise ValueError(f"a mask must be (H, W) bool, not {mask.shape} {mask.dtype}")
        self.shape = mask.shape
        self._cropped = _CroppedMask(mask, _tolerance(mask.shape))

    def compare(self, prediction: Mask) -> MaskScore:
        """Compare a predicted mask with this one. J is 1 if both masks are empty, F is 1 if neither has a boundary.

        Args:
            prediction: the predicted mask, (H, W) bool.

        Raises:
            ValueError: the prediction is not a boolean image of the same size.
        """
        if prediction.shape != self.shape or prediction.dtype != np.bool_:
            raise ValueError(
                f"masks must be (H, W) bool of one size, not {prediction.shape} {prediction.dtype} and {self.shape}"
            )
        predicted, true = _CroppedMask(prediction, self._cropped.radius), self._cropped
        common = predicted.common_area(true)
        union = predicted.area + true.area - common
        j = common / union if union else 1.0
        return MaskScore(j, _boundary_measure(predicted, true), predicted.area, true.area, common)


def region_similarity(prediction: Mask, truth: Mask) -> float:
    """J: intersection over union; 1 if both masks are empty.

    Args:
        prediction: the predicted mask, (H, W) bool.
        truth: the true mask, (H, W) bool.

    Returns:
        J in [0, 1].

    Raises:
        ValueError: the masks are not two boolean images of one size.
    """
    return TrueMask(truth).compare(prediction).j


def boundary_measure(prediction: Mask, truth: Mask) -> float:
    """F: harmonic mean of boundary precision and recall.

    F is 1 if neither mask has a boundary (it is empty, or the whole image), and 0 if only one of them has.

    Args:
        prediction: the predicted mask, (H, W) bool.
        truth: the true mask, (H, W) bool.

    Returns:
        F in [0, 1].

    Raises:
        ValueError: the masks are not two boolean images of one size.
    """
    return TrueMask(truth).compare(prediction).f


def score_frame(prediction: Mask, truth: Mask) -> tuple[float, float]:
    """J and F of one frame: `region_similarity` and `boundary_measure` in one call.

    Args:
        prediction: the predicted mask, (H, W) bool.
        truth: the true mask, (H, W) bool.

    Returns:
        J and F, both in [0, 1].

    Raises:
        ValueError: the masks are not two boolean images of one size.
    """
    return TrueMask(truth).compare(prediction)[:2]


def statistics(values: Sequence[float]) -> Statistics:
    """Mean, recall and decay of a measure over the frames of one video.

    The quarters that decay compares share their end frames, as in the official evaluation. The official code keeps the
    limits of the quarters in eight bits, which wrap around after 256 frames; here they do not. [D]

    Args:
        values: one value for each frame, in the order of the frames.

    Raises:
        ValueError: there are no values.
    """
    if not len(values):
        raise ValueError("no values to take statistics of")
    series = np.asarray(values, dtype=np.float64)
    # The small offset makes halves round up; np.round alone rounds them to the even neighbour.
    limits = np.round(np.linspace(1, len(series), DECAY_BINS + 1) + 1e-10).astype(np.int64) - 1
    first, last = series[limits[0] : limits[1] + 1], series[limits[-2] : limits[-1] + 1]
    return Statistics(
        mean=float(series.mean()),
        recall=float((series > RECALL_THRESHOLD).mean()),
        decay=float(first.mean() - last.mean()),
    )


def boundary_map(mask: Mask) -> Mask:
    """Boundary of a mask, one pixel wide and shifted by half a pixel towards the origin.

    A pixel belongs to the boundary if it differs from its right, lower or lower right neighbour. A mask has no boundary
    where it touches the border of the image.

    Args:
        mask: (H, W) bool.

    Returns:
        The pixels of the boundary, (H, W) bool.
    """
    boundary = np.zeros(mask.shape, dtype=np.bool_)
    boundary[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    boundary[:-1] |= mask[:-1] ^ mask[1:]
    boundary[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return boundary


class _CroppedMask:
    """A mask cropped to its bounding box: most of an image is background, which changes no score.

    The crop keeps one pixel of background on every side that is not the image's border, so the boundary stays the same.
    """

    def __init__(self, mask: Mask, radius: int) -> None:
        self.radius = radius
        rows = np.flatnonzero(mask.any(axis=1))
        if len(rows):
            self.top = max(int(rows[0]) - 1, 0)
            band = mask[self.top : rows[-1] + 2]
            columns = np.flatnonzero(band.any(axis=0))
            self.left = max(int(columns[0]) - 1, 0)
            self.mask = band[:, self.left : columns[-1] + 2]
        else:
            self.top = self.left = 0
            self.mask = mask[:0, :0]
        self.area = int(np.count_nonzero(self.mask))

    def common_area(self, other: _CroppedMask) -> int:
        """Number of pixels that are in both masks."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = (
            min(self.top + self.mask.shape[0], other.top + other.mask.shape[0]),
            min(self.left + self.mask.shape[1], other.left + other.mask.shape[1]),
        )
        if bottom <= top or right <= left:
            return 0
        own, others = (
            mask.mask[top - mask.top : bottom - mask.top, left - mask.left : right - mask.left]
            for mask in (self, other)
        )
        return int(np.count_nonzero(own & others))

    @cached_property
    def boundary(self) -> tuple[Points, Points]:
        """Rows and columns of the boundary's pixels, in the coordinates of the whole image."""
        # Much faster than np.nonzero.
        rows, columns = np.divmod(np.flatnonzero(self._boundary_map), max(self.mask.shape[1], 1))
        return rows + self.top, columns + self.left

    @cached_property
    def _boundary_map(self) -> Mask:
        return boundary_map(self.mask) if self.mask.size else self.mask

    @cached_property
    def _sums(self) -> NDArray[np.int32]:
        """Running sums of the boundary along its rows, with a margin of two radii around it."""
        height, width = self.mask.shape
        margin = 2 * self.radius
        sums = np.zeros((height + 2 * margin, width + 2 * margin + 1), dtype=np.int32)
        inner = sums[margin : margin + height]
        np.cumsum(self._boundary_map, axis=1, out=inner[:, margin + 1 : margin + 1 + width])
        inner[:, margin + 1 + width :] = inner[:, margin + width, None]
        return sums

    def count_near(self, points: tuple[Points, Points]) -> int:
        """Number of points with a pixel of this boundary within the radius (Euclidean, inclusive).

        The result is the same as dilating the boundary with a disk and looking at the points. Boundaries are thin, so
        it is faster to test the points alone: the disk is a stack of horizontal runs, and the running sums along the
        rows tell whether a run holds a pixel of the boundary.
        """
        radius = self.radius
        rows, columns = points[0] - self.top + radius, points[1] - self.left + radius
        height, width = (side + 2 * radius for side in self.mask.shape)
        within = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        sums = self._sums
        stride, flat = sums.shape[1], sums.reshape(-1)
        left = (rows[within] + radius) * stride + columns[within] + radius
        total = len(left)
        for offset in sorted(range(-radius, radius + 1), key=abs):
            half = math.isqrt(radius * radius - offset * offset)
            start = left + (offset * stride - half)
            left = left[flat[start] == flat[start + (2 * half + 1)]]
        return total - len(left)


def _tolerance(shape: tuple[int, ...]) -> int:
    return math.ceil(BOUNDARY_TOLERANCE * math.hypot(*shape))


def _boundary_measure(predicted: _CroppedMask, true: _CroppedMask) -> float:
    predicted_pixels, true_pixels = len(predicted.boundary[0]), len(true.boundary[0])
    if not predicted_pixels and not true_pixels:
        return 1.0
    if not predicted_pixels or not true_pixels:
        return 0.0
    precision = true.count_near(predicted.boundary) / predicted_pixels
    recall = predicted.count_near(true.boundary) / true_pixels
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)
