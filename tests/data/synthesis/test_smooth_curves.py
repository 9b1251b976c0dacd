"""Values that change smoothly."""

from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.data.synthesis.smooth_curves import draw_smooth_curve


@pytest.mark.parametrize("seed", range(20))
def test_curves_are_bounded_and_smooth(seed: int) -> None:
    curve = draw_smooth_curve(50, np.random.default_rng(seed))
    assert curve.shape == (50,)
    assert np.abs(curve).max() <= 1
    assert np.abs(np.diff(curve)).max() < 0.3
    assert np.ptp(curve) > 0.1
    assert np.array_equal(curve, draw_smooth_curve(50, np.random.default_rng(seed)))


def test_a_single_frame() -> None:
    assert all(draw_smooth_curve(1, np.random.default_rng(seed)).shape == (1,) for seed in range(6))
