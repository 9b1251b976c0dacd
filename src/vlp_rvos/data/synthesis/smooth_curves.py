"""Random values that change smoothly from frame to frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_smooth_curve"]


def draw_smooth_curve(frames: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(F,) smooth values from -1 to 1: a steady drift, a slow wave, or a change that starts and stops."""
    t = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
    kind, sign = rng.integers(3), rng.choice([-1.0, 1.0])
    if kind == 0:
        return np.asarray(sign * (2 * t - 1))
    if kind == 1:
        return np.asarray(np.sin(2 * np.pi * (rng.uniform(0.3, 1.1) * t + rng.uniform())))
    start, end = sorted(rng.uniform(0, 1, 2))
    u = np.clip((t - start) / max(end - start, 0.25), 0, 1)
    return np.asarray(sign * (2 * u * u * (3 - 2 * u) - 1))
