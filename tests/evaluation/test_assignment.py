"""The best assignment of objects."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from vlp_rvos.evaluation.assignment import MAX_PERMUTED, best_assignment


@pytest.mark.parametrize("rows", [3, MAX_PERMUTED + 2])
def test_the_best_assignment(rows: int) -> None:
    scores = np.random.default_rng(0).random((rows, 3))
    chosen = best_assignment(scores)
    assert len(set(chosen)) == 3
    expected = scores[linear_sum_assignment(-scores)].sum()
    assert scores[chosen, range(3)].sum() == pytest.approx(expected)
