"""What a mask can do to a frame: cut it out, dim, blur or replace what lies around it. Shapes: (H, W) pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageFilter

from vlp_rvos.arrays import Image

__all__ = ["blurred", "cut_out", "highlighted", "widened", "with_background"]

#: How much of its light and of its colour the rest keeps.
DIMMED = 0.35
#: Standard deviation of the blur, as a share of the frame's shorter side.
BLUR = 0.04
#: Margin around a thing that is blurred too, as a share of the frame's shorter side.
MARGIN = 0.01

Mask = npt.NDArray[np.bool_]


def cut_out(image: Image, mask: Mask, block: int = 1) -> npt.NDArray[np.uint8]:
    """The frame with the mask as its opacity; what is far from the mask becomes black.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool.
        block: Side of the squares, in pixels, that keep their colours where the mask touches them. A codec works on
            such squares: with black beside the mask, dark colours would bleed into its edge.

    Returns:
        (H, W, 4) uint8 RGBA with straight alpha.
    """
    height, width = mask.shape
    kept = mask
    if block > 1:
        rows, columns = -(-height // block), -(-width // block)
        padded = np.pad(mask, ((0, rows * block - height), (0, columns * block - width)))
        touched = padded.reshape(rows, block, columns, block).any(axis=(1, 3))
        kept = touched.repeat(block, 0).repeat(block, 1)[:height, :width]
    rgba = np.zeros((height, width, 4), np.uint8)
    np.copyto(rgba[..., :3], image, where=kept[..., None])
    rgba[..., 3] = mask * np.uint8(255)
    return rgba


def highlighted(image: Image, mask: Mask) -> Image:
    """The frame, dimmed and paler around the mask. (H, W, 3) uint8 RGB."""
    grey = image.mean(axis=2, keepdims=True)
    dimmed = (DIMMED * (DIMMED * image + (1 - DIMMED) * grey)).astype(np.uint8)
    return np.where(mask[..., None], image, dimmed)


def blurred(image: Image, mask: Mask) -> Image:
    """The frame, blurred inside of the mask. (H, W, 3) uint8 RGB."""
    if not mask.any():
        return image
    soft = PillowImage.fromarray(image).filter(ImageFilter.GaussianBlur(max(2.0, BLUR * min(mask.shape))))
    return np.where(mask[..., None], np.asarray(soft), image)


def widened(mask: Mask) -> Mask:
    """The mask with a margin around it, so that no edge of a thing that is blurred stays sharp."""
    reach = max(2, round(MARGIN * min(mask.shape)))
    wide = PillowImage.fromarray(mask.view(np.uint8) * np.uint8(255)).filter(ImageFilter.MaxFilter(2 * reach + 1))
    return np.asarray(wide) > 0


def with_background(image: Image, mask: Mask, colour: tuple[int, int, int]) -> Image:
    """The frame, with one RGB colour everywhere outside of the mask. (H, W, 3) uint8 RGB."""
    return np.where(mask[..., None], image, np.array(colour, np.uint8))
