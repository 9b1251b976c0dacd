"""Bilinear resizing: frames to the network's size, and mask logits to the video's own size."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.arrays import Floats, Image, Size
from vlp_rvos.media.frame_record import Box

__all__ = ["dependent_box", "resize_image", "upsample_box"]

Indices = npt.NDArray[np.int64]


def resize_image(image: Image, size: Size) -> Tensor:
    """Resize an image, with antialiasing.

    Args:
        image: (H, W, 3) uint8 RGB.
        size: (h, w) of the result.

    Returns:
        (3, h, w) uint8 RGB, on the CPU.
    """
    # Torch has no read-only tensors, and none that are read backwards, as colours are after `image[..., ::-1]`.
    is_plain = image.flags.writeable and min(image.strides) >= 0
    pixels = torch.from_numpy(image if is_plain else image.copy())
    picture = pixels.permute(2, 0, 1)[None]
    if image.shape[:2] != size:
        # For bytes with the channels last, PyTorch has a kernel that is several times as fast as the one for floats.
        picture = F.interpolate(picture, size, mode="bilinear", align_corners=False, antialias=True)
    return picture[0]


class _Taps(NamedTuple):
    """Bilinear resizing along one axis: each new position is a weighted sum of two old ones."""

    first: Indices
    """Lower of the two old positions."""
    second: Indices
    """Upper of the two old positions."""
    near: Floats
    """Weight of `first`."""
    far: Floats
    """Weight of `second`."""

    def part(self, where: slice, begin: int = 0) -> _Taps:
        """The taps of some new positions, for old values that begin at position `begin`."""
        return _Taps(self.first[where] - begin, self.second[where] - begin, self.near[where], self.far[where])

    def resize(self, values: Floats, axis: Literal[0, 1]) -> Floats:
        """Resize (h, w) values along one axis."""
        shape = (-1, 1) if axis == 0 else (1, -1)
        # In place: new memory of this size costs as much time as the sums.
        resized, other = values.take(self.first, axis), values.take(self.second, axis)
        resized *= self.near.reshape(shape)
        other *= self.far.reshape(shape)
        resized += other
        return resized


@lru_cache(maxsize=8)
def _taps(length: int, target: int) -> _Taps:
    """The taps that resize `length` positions to `target` positions, as `F.interpolate` does."""
    # `F.interpolate` has a float32 scale, and multiplies and adds without rounding in between.
    scale = np.float64(np.float32(length / target))
    places = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32).clip(min=0)
    first = places.astype(np.int64).clip(max=length - 1)
    far = (places - first).clip(max=1).astype(np.float32)
    return _Taps(first, (first + 1).clip(max=length - 1), 1 - far, far)


def dependent_box(positive: npt.NDArray[np.bool_], size: Size) -> Box | None:
    """The smallest box of an upsampled map outside which no pixel depends on any of the given pixels.

    Args:
        positive: (h, w), the pixels of the map before upsampling.
        size: (H, W) of the map after upsampling.

    Returns:
        Rows and columns of the box; None if no pixel depends on any of them.
    """
    box = []
    for side, target in enumerate(size):
        used = np.flatnonzero(positive.any(axis=1 - side))
        if not len(used):
            return None
        taps = _taps(positive.shape[side], target)
        inside = np.flatnonzero((taps.second >= used[0]) & (taps.first <= used[-1]))
        # If the result is smaller, there may be no pixel that depends on them.
        if not len(inside):
            return None
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return box[0], box[1]


def upsample_box(logits: Floats, size: Size, box: Box) -> Floats:
    """Upsample a map bilinearly as `F.interpolate` does, but only one part of the result.

    Args:
        logits: (h, w) map.
        size: (H, W) of the whole map after upsampling.
        box: rows and columns of the part to compute.

    Returns:
        The part, of the size of `box`.
    """
    rows, columns = (_taps(length, target) for length, target in zip(logits.shape, size, strict=True))
    top, bottom = int(rows.first[box[0]][0]), int(rows.second[box[0]][-1])
    wide = columns.part(box[1]).resize(logits[top : bottom + 1], axis=1)
    return rows.part(box[0], top).resize(wide, axis=0)
