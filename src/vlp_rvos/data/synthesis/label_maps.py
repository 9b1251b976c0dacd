"""Label maps: every pixel has one label, and an object is a set of labels, so that objects may overlap.

A person contains the pixels of a coat, and an object that is pasted on top takes pixels away from what it covers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bounds", "LabelMap", "Mask", "Pixels", "combine_masks", "find_bounds", "mask_of"]

LabelMap = NDArray[np.int16]
"""(..., H, W) labels, 0 in what belongs to no object."""
Mask = NDArray[np.bool_]
"""(..., H, W), True inside."""
Pixels = NDArray[np.uint8]
"""(..., H, W, 3) RGB."""


class Bounds(NamedTuple):
    """The smallest box that holds a mask, in pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns inside."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def find_bounds(mask: Mask) -> Bounds | None:
    """The smallest box that holds all True pixels of a mask (..., H, W); None where there are none."""
    shown = np.asarray(mask.reshape(-1, *mask.shape[-2:]).any(0))
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    if not rows.size:
        return None
    return Bounds(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def mask_of(labels: LabelMap, chosen: Iterable[int]) -> Mask:
    """The pixels that have one of the chosen labels, in the shape of the label map."""
    return np.isin(labels, sorted(chosen))


def combine_masks(masks: Sequence[Mask], size: tuple[int, int]) -> tuple[LabelMap, list[set[int]]]:
    """Turns masks that may overlap into one label map: pixels that lie in the same masks get the same label.

    Args:
        masks: K masks (H, W).
        size: (H, W).

    Returns:
        The label map (H, W), 0 where no mask is; and for each mask the set of its labels, empty for an empty mask.
    """
    labels = np.zeros(size, dtype=np.int16)
    sets: list[set[int]] = []
    count = 1
    for mask in masks:
        own: set[int] = set()
        bounds = find_bounds(mask)
        if bounds is not None:
            inside, view = mask[bounds.window], labels[bounds.window]
            for old in np.flatnonzero(np.bincount(view[inside], minlength=count)):
                view[inside & (view == old)] = count
                for other in sets:
                    if int(old) in other:
                        other.add(count)
                own.add(count)
                count += 1
        sets.append(own)
    return labels, sets
