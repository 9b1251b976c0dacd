"""Bilinear resizing between the video's own size and the network's."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.arrays import Image, Size
from vlp_rvos.results import Box

__all__ = ["Taps", "dependent_box", "resize_image", "taps_of", "upsample_box"]

Floats = npt.NDArray[np.float32]


Places = npt.NDArray[np.int64]


def resize_image(image: Image, size: Size) -> Tensor:
    """(H, W, 3) -> (3, h, w), both uint8 RGB and on the CPU."""
    # A copy where the array cannot be written: torch has no read-only tensors.
    pixels = torch.from_numpy(image if image.flags.writeable else image.copy())
    picture = pixels.permute(2, 0, 1)[None]
    if image.shape[:2] != size:
        # Whole bytes with the channels last have a kernel of their own, several times as fast as that for floats.
        picture = F.interpolate(picture, size, mode="bilinear", align_corners=False, antialias=True)
    return picture[0]


class Taps(NamedTuple):
    """Bilinear resizing along one side: the two places that each new one lies between, and the weight of each."""

    first: Places
    second: Places
    near: Floats
    far: Floats

    def part(self, where: slice, begin: int = 0) -> Taps:
        """Those of some new places, in values that begin at place `begin`."""
        return Taps(self.first[where] - begin, self.second[where] - begin, self.near[where], self.far[where])

    def resize(self, values: Floats, axis: Literal[0, 1]) -> Floats:
        """(h, w) -> the same with the new places along one axis."""
        shape = (-1, 1) if axis == 0 else (1, -1)
        # In place: new memory of this size costs as much as the sums.
        resized, other = values.take(self.first, axis), values.take(self.second, axis)
        resized *= self.near.reshape(shape)
        other *= self.far.reshape(shape)
        resized += other
        return resized


@lru_cache(maxsize=8)
def taps_of(length: int, target: int) -> Taps:
    """Of `length` places to `target`, as `F.interpolate` has them."""
    # The scale is a float32 there, and multiplied and added without rounding between.
    scale = np.float64(np.float32(length / target))
    places = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32).clip(min=0)
    first = places.astype(np.int64).clip(max=length - 1)
    far = (places - first).clip(max=1).astype(np.float32)
    return Taps(first, (first + 1).clip(max=length - 1), 1 - far, far)


def dependent_box(positive: npt.NDArray[np.bool_], size: Size) -> Box | None:
    """What a box of `size` has to hold so that no place outside depends on any of `positive` (h, w); None: on none."""
    box = []
    for side, target in enumerate(size):
        used = np.flatnonzero(positive.any(axis=1 - side))
        if not len(used):
            return None
        taps = taps_of(positive.shape[side], target)
        inside = np.flatnonzero((taps.second >= used[0]) & (taps.first <= used[-1]))
        # Where a frame is smaller than the network's input, no place may depend on them.
        if not len(inside):
            return None
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return box[0], box[1]


def upsample_box(logits: Floats, size: Size, box: Box) -> Floats:
    """The part `box` of what `F.interpolate` (bilinear) makes of logits (h, w) at `size`."""
    rows, columns = (taps_of(length, target) for length, target in zip(logits.shape, size, strict=True))
    top, bottom = int(rows.first[box[0]][0]), int(rows.second[box[0]][-1])
    wide = columns.part(box[1]).resize(logits[top : bottom + 1], axis=1)
    return rows.part(box[0], top).resize(wide, axis=0)
