"""Random changes of light and noise in finished clips."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.data.synthesis.smooth_curves import draw_smooth_curve

__all__ = ["distort_photometrically"]

_NOISE_SIZE = (640, 960)


def distort_photometrically(frames: Tensor, rng: np.random.Generator) -> Tensor:
    """Changes brightness, contrast and tint, lets them drift slowly, and sometimes adds noise or blur.

    The changes are so mild that the names of colours stay right. [D] (our decision; see `docs/method.md`)

    Args:
        frames: (F, 3, H, W) float32, 0 .. 255. They may be changed in place.
        rng: Source of all choices.

    Returns:
        (F, 3, H, W) float32, 0 .. 255.
    """
    count, _, height, width = frames.shape
    gain = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.025, 3))
    drift = np.exp(draw_smooth_curve(count, rng) * rng.normal(0, 0.03))
    contrast = np.exp(rng.normal(0, 0.1))
    mean = float(frames[0].mean())
    scale = torch.from_numpy(gain[None] * drift[:, None] * contrast).float()[:, :, None, None]
    shift = mean * (1 - contrast)
    if rng.random() < 0.1:
        factor = rng.uniform(0.4, 0.75)
        small = F.interpolate(frames, scale_factor=factor, mode="bilinear", align_corners=False)
        frames = F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
    frames = frames.mul_(scale).add_(shift)
    # Larger frames get no noise: a window of it must fit.
    if rng.random() < 0.4 and height <= 576 and width <= 896:
        strength = rng.uniform(1.0, 6.0)
        for frame in frames:
            top = int(rng.integers(_NOISE_SIZE[0] - height + 1))
            left = int(rng.integers(_NOISE_SIZE[1] - width + 1))
            frame.add_(_noise()[:, top : top + height, left : left + width], alpha=strength)
    return frames.clamp_(0, 255)


@lru_cache(maxsize=1)
def _noise() -> Tensor:
    return torch.randn(3, *_NOISE_SIZE, generator=torch.Generator().manual_seed(0))
