"""Views of a picture for training: a random part of it at a given size, mirrored or recoloured at times.

Shapes: N things, (H, W) pixels of the view, (h, w) = (H/4, W/4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor

from vlp_rvos.data.outlined_pictures import LoadedPicture

__all__ = ["PictureView", "draw_variant", "draw_view"]

#: stride of the masks
STRIDE = 4
#: value of what lies beside the picture
GREY = 127
ZOOMED_SHARE, SMALLEST_PART = 0.75, 0.45
RECOLOURED_SHARE, GREY_SHARE = 0.8, 0.1
#: A thing counts if at least so many positions of it, and at least this share of it, are in the view.
LEAST_POSITIONS, LEAST_SHARE = 12, 0.12
#: A variant loses, or gains, at most this share of the picture at each of its sides; half of the sides lose.
LARGEST_LOSS, LARGEST_GAIN = 0.3, 0.12
#: Changes of a variant's colours, relative to those of a view: the words for colours must stay true.
VARIANT_RECOLOURING = 0.5


@dataclass(frozen=True)
class PictureView:
    """A view with its outlines.

    Attributes:
        pixels: (3, H, W) uint8 RGB.
        masks: (N, h, w) bool, of the things that can be seen well.
        ignored: (h, w) bool, where a thing is that is hardly seen, or a group that is not split into its members.
        valid: (h, w) bool, False beside the picture.
        complete: whether all things in the picture are outlined.
    """

    pixels: Tensor
    masks: Tensor
    ignored: Tensor
    valid: Tensor
    complete: bool = False


def draw_view(
    picture: LoadedPicture, size: tuple[int, int], rng: np.random.Generator, *, complete: bool = False
) -> PictureView:
    """Draw a view.

    The part keeps its aspect ratio, and is placed at random where it does not fill the view.

    Args:
        picture: The picture.
        size: (H, W), multiples of 4.
        rng: Source of all choices.
        complete: Whether all things in the picture are outlined.
    """
    (height, width), (h, w) = size, picture.pixels.shape[:2]
    largest = max(w / width, h / height)
    zoom = math.exp(rng.uniform(math.log(SMALLEST_PART), 0.0)) if rng.random() < ZOOMED_SHARE else 1.0
    part_w, part_h = min(width * largest * zoom, w), min(height * largest * zoom, h)
    left = rng.uniform(0, w - part_w) if w > part_w else 0.0
    top = rng.uniform(0, h - part_h) if h > part_h else 0.0
    mirrored = rng.random() < 0.5
    scale = min(width / part_w, height / part_h)
    new_w, new_h = max(1, round(part_w * scale)), max(1, round(part_h * scale))
    resized = PillowImage.fromarray(picture.pixels).resize(
        (new_w, new_h), PillowImage.Resampling.BILINEAR, (left, top, left + part_w, top + part_h)
    )
    x0, y0 = int(rng.integers(width - new_w + 1)), int(rng.integers(height - new_h + 1))
    pixels = np.full((height, width, 3), GREY, np.uint8)
    pixels[y0 : y0 + new_h, x0 : x0 + new_w] = _recolour(np.asarray(resized, np.float32), rng)

    # Every position of a mask is the pixel of the picture at its centre.
    x = (np.arange(width // STRIDE) * STRIDE + STRIDE / 2 - x0) / scale + left
    y = (np.arange(height // STRIDE) * STRIDE + STRIDE / 2 - y0) / scale + top
    in_x, in_y = (x >= left) & (x < left + part_w), (y >= top) & (y < top + part_h)
    valid = in_y[:, None] & in_x
    columns, rows = x.clip(0, w - 1).astype(int), y.clip(0, h - 1).astype(int)
    seen = picture.masks[:, rows][:, :, columns] & valid
    counts = seen.sum((1, 2))
    whole = picture.masks.sum((1, 2)) * (scale / STRIDE) ** 2
    enough = (counts >= LEAST_POSITIONS) & (counts >= LEAST_SHARE * whole) & ~np.array(picture.crowd, bool)
    masks, ignored = seen[enough], seen[~enough].any(0)
    if mirrored:
        pixels, masks, ignored, valid = pixels[:, ::-1], masks[..., ::-1], ignored[:, ::-1], valid[:, ::-1]
    planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    masks, ignored, valid = (torch.from_numpy(np.ascontiguousarray(a)) for a in (masks, ignored, valid))
    return PictureView(planes, masks, ignored, valid, complete)


def draw_variant(picture: LoadedPicture, rng: np.random.Generator) -> LoadedPicture:
    """Draw the same picture with other margins and slightly other colours.

    Every outlined thing stays whole, so that what is said of the things stays true, by place and order too.

    Args:
        picture: The picture.
        rng: Source of all choices.
    """
    inside = np.asarray(picture.masks.any(0))
    limits = []
    for axis, size in ((0, inside.shape[1]), (1, inside.shape[0])):
        taken = np.flatnonzero(inside.any(axis))
        free = (int(taken[0]), size - 1 - int(taken[-1])) if len(taken) else (0, 0)
        limits += [(free[side], size) for side in (0, 1)]
    # What each side gains: left, right, top, bottom.
    gains = [
        -int(rng.uniform(0, min(free, LARGEST_LOSS * size)))
        if rng.random() < 0.5
        else int(rng.uniform(0, LARGEST_GAIN * size))
        for free, size in limits
    ]
    left, right, top, bottom = gains
    recoloured = (_changed_colours(picture.pixels.astype(np.float32), rng, VARIANT_RECOLOURING)).clip(0, 255)
    pixels = _with_margins(recoloured.astype(np.uint8), (top, bottom), (left, right), GREY)
    masks = _with_margins(picture.masks.transpose(1, 2, 0), (top, bottom), (left, right), 0)
    return LoadedPicture(pixels, np.ascontiguousarray(masks.transpose(2, 0, 1)), picture.ids, picture.crowd)


def _with_margins(values: np.ndarray, rows: tuple[int, int], columns: tuple[int, int], fill: int) -> np.ndarray:
    """Values (h, w, ...) that gain, or where negative lose, rows at top and bottom, columns at left and right."""
    height, width = values.shape[:2]
    kept = values[max(0, -rows[0]) : height - max(0, -rows[1]), max(0, -columns[0]) : width - max(0, -columns[1])]
    widths = [(max(0, a), max(0, b)) for a, b in (rows, columns)] + [(0, 0)] * (values.ndim - 2)
    return np.pad(kept, widths, constant_values=fill)


def _recolour(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change contrast, brightness and tint of (h, w, 3) pixels in 0 to 255; at times leave no colour."""
    if rng.random() < RECOLOURED_SHARE:
        pixels = _changed_colours(pixels, rng)
    if rng.random() < GREY_SHARE:
        pixels = np.repeat(pixels.mean(-1, keepdims=True), 3, -1)
    return pixels.clip(0, 255).astype(np.uint8)


def _changed_colours(pixels: np.ndarray, rng: np.random.Generator, amount: float = 1.0) -> np.ndarray:
    """Other contrast, brightness and tint of (h, w, 3) pixels in 0 to 255, not clipped."""
    contrast = rng.uniform(1 - 0.25 * amount, 1 + 0.25 * amount)
    shift = rng.uniform(-25 * amount, 25 * amount) + rng.uniform(-12 * amount, 12 * amount, 3)
    return (pixels - 128) * contrast + 128 + shift
