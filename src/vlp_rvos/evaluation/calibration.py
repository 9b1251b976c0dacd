"""Whether probabilities mean what they say: reliability diagrams and the expected calibration error.

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "ReliabilityBin", "calibration_error", "equal_count_bins", "equal_width_bins"]

BINS = 15
"""Number of bins."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of about the same probability.

    Attributes:
        count: number of predictions, at least 1.
        predicted: mean predicted probability, in [0, 1].
        true: share of the predictions that are true, in [0, 1].
    """

    count: int
    predicted: float
    true: float


def equal_width_bins(probabilities: Sequence[float], truth: Sequence[bool], bins: int = BINS) -> list[ReliabilityBin]:
    """Sort predictions into bins of equal width: bin k of n holds [k / n, (k + 1) / n), the last one 1 too.

    Args:
        probabilities: predicted probability of each statement, in [0, 1].
        truth: whether each statement is true.
        bins: number of bins.

    Returns:
        The bins that are not empty, by rising probability.
    """
    values = np.asarray(probabilities, np.float64)
    places = np.minimum((values * bins).astype(np.int64), bins - 1)
    return _bins(values, truth, [np.flatnonzero(places == place) for place in range(bins)])


def equal_count_bins(probabilities: Sequence[float], truth: Sequence[bool], bins: int = BINS) -> list[ReliabilityBin]:
    """Sort predictions into bins of equal count, up to one; see `equal_width_bins`. Equal predictions keep their order.

    Where most predictions are near 0 or 1, equal widths leave most bins nearly empty, and these do not.
    """
    values = np.asarray(probabilities, np.float64)
    return _bins(values, truth, np.array_split(np.argsort(values, kind="stable"), bins))


def calibration_error(bins: Sequence[ReliabilityBin]) -> float | None:
    """Expected calibration error: mean of |predicted - true| over the bins, weighted by their counts, in [0, 1].

    Returns:
        None if there are no predictions.
    """
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.predicted - one.true) for one in bins) / total if total else None


def _bins(
    values: NDArray[np.float64], truth: Sequence[bool], members: Sequence[NDArray[np.int64]]
) -> list[ReliabilityBin]:
    true = np.asarray(truth, np.float64)
    return [
        ReliabilityBin(len(where), float(values[where].mean()), float(true[where].mean()))
        for where in members
        if len(where)
    ]
