"""The best assignment of predicted objects to true ones."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_assignment"]

MAX_PERMUTED = 7


"""Up to how many objects the best assignment is looked for by trying all."""


def best_assignment(scores: NDArray[np.float64]) -> list[int]:
    """For each column its row, every row at most once, with the largest sum; scores are (rows, columns <= rows)."""
    rows, columns = scores.shape
    if rows > MAX_PERMUTED:
        from vlp_rvos.utils.extras import import_optional

        chosen, order = import_optional("scipy.optimize", extra="benchmarks").linear_sum_assignment(-scores)
        return [int(chosen[list(order).index(column)]) for column in range(columns)]
    best = max(permutations(range(rows), columns), key=lambda order: float(scores[list(order), range(columns)].sum()))
    return list(best)
