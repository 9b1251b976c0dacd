"""Pictures of results: masks drawn as `vlp-rvos segment` draws them, made smaller, and as JPEG files.

Shapes: (H, W) pixels of the image.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image
from vlp_rvos.media.overlay import OverlayRenderer
from vlp_rvos.media.overlay_style import OverlayStyle
from vlp_rvos.results import FrameResult

__all__ = ["draw", "jpeg", "shrink"]


def draw(result: FrameResult, style: OverlayStyle) -> Image:
    """The frame of a result with its masks drawn on it, (H, W, 3) uint8 RGB, a new image."""
    return OverlayRenderer(result.expressions, style).render(result)


def shrink(result: FrameResult, side: int) -> FrameResult:
    """The result at a size whose longer side has at most that many pixels."""
    height, width = result.image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return result
    size = max(1, round(width * factor)), max(1, round(height * factor))
    image = np.asarray(PillowImage.fromarray(result.image).resize(size, PillowImage.Resampling.BILINEAR))
    masks = [
        np.asarray(PillowImage.fromarray(mask).resize(size, PillowImage.Resampling.NEAREST)) for mask in result.masks
    ]
    shape = (len(masks), size[1], size[0])
    return replace(result, image=image, masks=np.array(masks, bool).reshape(shape))


def jpeg(image: Image, quality: int = 88) -> bytes:
    """An image (H, W, 3) uint8 RGB as a JPEG file."""
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
