"""Masks in COCO's run-length encoding."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

__all__ = ["encode_mask"]


def encode_mask(
    mask: npt.NDArray[np.bool_], place: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None
) -> dict[str, Any]:
    """A mask in COCO's run-length encoding, as JSON can hold it.

    Runs go down the columns of an image, one after the other. Where they begin and end is found along the rows, which
    is how masks lie in memory, and brought into that order: a mask has many pixels, but few runs.

    Args:
        mask: (h, w), a part of the image.
        place: row and column of its upper left corner; all around is background.
        size: (H, W) of the image, pixels; None: no larger than the mask.
    """
    (top, left), (height, width) = place, size or (mask.shape[0], mask.shape[1])
    turns = np.zeros((mask.shape[0] + 1, mask.shape[1]), bool)
    if mask.size:
        turns[0], turns[-1] = mask[0], mask[-1]
        np.not_equal(mask[1:], mask[:-1], out=turns[1:-1])
    rows, columns = np.divmod(np.flatnonzero(turns), max(1, mask.shape[1]))
    places, times = np.unique((left + columns) * height + top + rows, return_counts=True)
    # Where a run goes on from the foot of one column to the head of the next, it ends and begins in one place.
    places = places[(times == 1) & (places < height * width)]
    counts = np.diff(places, prepend=0, append=height * width)
    (rle,) = coco_mask.frPyObjects([{"size": [height, width], "counts": counts.tolist()}], height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}
