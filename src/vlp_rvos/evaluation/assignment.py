"""The best assignment of predicted objects to true ones."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_assignment"]

MAX_PERMUTED = 7
"""Number of objects up to which all assignments are tried, so that SciPy is not needed."""


def best_assignment(scores: NDArray[np.float64]) -> list[int]:
    """Assign a row to each column, so that the sum of the scores is largest.

    Args:
        scores: (rows, columns) score of each pair, with at least as many rows as columns.

    Returns:
        The row of each column; no row occurs twice.
    """
    rows, columns = scores.shape
    if rows > MAX_PERMUTED:
        from vlp_rvos.utils.extras import import_optional

        chosen, order = import_optional("scipy.optimize", extra="benchmarks").linear_sum_assignment(-scores)
        return [int(chosen[list(order).index(column)]) for column in range(columns)]
    best = max(permutations(range(rows), columns), key=lambda order: float(scores[list(order), range(columns)].sum()))
    return list(best)
