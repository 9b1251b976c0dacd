"""Stray parts of masks: what is small beside the largest connected part is rarely what was meant. [D]"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["remove_small_components"]

_CELL = 4
_FAR_BELOW = 10.0


def remove_small_components(logits: Tensor, cut: float, share: float) -> Tensor:
    """Mask logits with small connected parts pushed far below the cut.

    Parts are looked for on a grid of 4 x 4 pixels, cells that touch at a corner being connected, and weighed by their
    probability. What is too small to fill a cell is no part, and dropped where no part that stays is next to it.

    Args:
        logits: (N, h, w) float32, on the CPU.
        cut: logit from which a pixel belongs to the mask.
        share: parts that weigh less than this share of a mask's heaviest part are dropped; 0 keeps all.

    Returns:
        (N, h, w); the same tensor where nothing is dropped.
    """
    if share <= 0:
        return logits
    coarse = F.avg_pool2d(logits[:, None], _CELL, ceil_mode=True)[:, 0]
    inside = (coarse > cut).numpy()
    if not inside.any():
        return logits
    names = torch.from_numpy(label_components(inside)).flatten(1)
    weights = torch.zeros(len(logits), int(names.max()) + 1)
    weights.scatter_add_(1, names, coarse.sigmoid().flatten(1))
    weights[:, 0] = 0
    kept = (weights >= share * weights.amax(1, keepdim=True)).gather(1, names).view(inside.shape).numpy() & inside
    # The outline of a part lies in cells of which the mean is below the cut. A mask without any other cell stays.
    far = inside.any(axis=(1, 2), keepdims=True) & ~_with_neighbours(kept)
    far = far.repeat(_CELL, -1).repeat(_CELL, -2)[:, : logits.shape[1], : logits.shape[2]]
    dropped = (logits.numpy() > cut) & far
    if not dropped.any():
        return logits
    cleaned = logits.clone()
    np.copyto(cleaned.numpy(), cut - _FAR_BELOW, where=dropped)
    return cleaned


def _with_neighbours(cells: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(N, h, w) -> the same with all that touch one of them, also at a corner."""
    wide = cells.copy()
    wide[..., 1:] |= cells[..., :-1]
    wide[..., :-1] |= cells[..., 1:]
    near = wide.copy()
    near[:, 1:] |= wide[:, :-1]
    near[:, :-1] |= wide[:, 1:]
    return near


def label_components(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """(N, h, w) -> for each cell a number from 1 on, the same in a connected part and in no other; 0 outside."""
    begins = inside.copy()
    begins[..., 1:] &= ~inside[..., :-1]
    runs = np.cumsum(begins).reshape(inside.shape) * inside
    joined = []
    for sideways in (-1, 0, 1):
        upper, lower = (
            (slice(None), rows, slice(max(step, 0), inside.shape[2] + min(step, 0)))
            for rows, step in ((slice(None, -1), -sideways), (slice(1, None), sideways))
        )
        both = inside[upper] & inside[lower]
        # Once for each place where two runs begin to touch.
        both[..., 1:] &= ~both[..., :-1]
        joined.append((runs[upper][both], runs[lower][both]))
    one, other = (np.concatenate(ends) for ends in zip(*joined, strict=True))
    # Every run, and its part so far, takes the lowest number that it touches, until none changes.
    part = np.arange(runs.max(initial=0) + 1)
    while True:
        lowest = np.minimum(part[one], part[other])
        taken = part.copy()
        for ends in (one, other, part[one], part[other]):
            np.minimum.at(taken, ends, lowest)
        taken = taken[taken]
        if np.array_equal(taken, part):
            break
        part = taken
    # Of the runs of each picture the first has number 1.
    before = np.concatenate([[0], np.cumsum(begins.sum((1, 2)))[:-1]]).reshape(-1, 1, 1)
    numbers: npt.NDArray[np.int64] = (part[runs] - before) * inside
    return numbers
