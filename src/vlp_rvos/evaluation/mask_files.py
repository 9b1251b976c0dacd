"""Read masks from image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.sources.ytvos import open_image

__all__ = ["read_mask"]


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Where an image of any kind is above 0: palette index, gray value or any colour channel; alpha does not count.

    Returns:
        (H, W) bool.

    Raises:
        UserError: the file is missing or broken.
    """
    image = open_image(path)
    values = np.asarray(image)
    if values.ndim == 3:
        has_alpha = image.mode in {"LA", "PA", "RGBA", "La", "RGBa"}
        values = values[..., : -1 if has_alpha else None].max(axis=-1)
    mask: NDArray[np.bool_] = values > 0
    return mask
