"""Types of arrays and sizes that the whole package shares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "Image", "Size"]

#: (H, W, 3) uint8 RGB.
Image = npt.NDArray[np.uint8]
#: float32, of any shape.
Floats = npt.NDArray[np.float32]
#: (height, width) in pixels.
Size = tuple[int, int]
