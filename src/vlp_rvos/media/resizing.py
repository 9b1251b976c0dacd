"""Bring masks to another size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlp_rvos.arrays import Size

__all__ = ["resize_mask"]


def resize_mask(mask: NDArray[np.bool_], size: Size) -> NDArray[np.bool_]:
    """Resize a mask by nearest neighbour.

    Args:
        mask: (h, w) bool.
        size: (H, W) of the result, in pixels.

    Returns:
        (H, W) bool; the mask itself where it has this size already.
    """
    if mask.shape == size:
        return mask
    return np.asarray(Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST), dtype=np.bool_)
