"""Remove small connected components of a mask: what is small beside the largest component is rarely meant. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: N masks, (h, w) their size in pixels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["label_components", "remove_small_components"]

Cells = npt.NDArray[np.bool_]

#: Side of a grid cell in pixels; components are found on a grid of such cells.
CELL = 4
#: A removed pixel gets a logit this far below the threshold.
MARGIN = 10.0


def remove_small_components(logits: Tensor, logit_threshold: float, min_share: float | Tensor) -> Tensor:
    """Push the logits of small connected components below the threshold.

    Components are found on a grid of 4 x 4 pixels, where cells that touch at a corner are connected. The weight of a
    component is the sum of its cells' foreground probabilities. A speck too small to fill a cell belongs to no
    component; it is removed too, unless a component that stays is next to it.

    Args:
        logits: (N, h, w) float32 mask logits, on the CPU.
        logit_threshold: logit above which a pixel belongs to the mask.
        min_share: smallest weight of a component that stays, as a share of the weight of the heaviest component of the
            same mask, in [0, 1]; 0 keeps all. One number, or (N,).

    Returns:
        (N, h, w) mask logits; the same tensor where nothing is removed.
    """
    least = torch.as_tensor(min_share, dtype=torch.float32).expand(len(logits))[:, None]
    if not (least > 0).any():
        return logits
    coarse = F.avg_pool2d(logits[:, None], CELL, ceil_mode=True)[:, 0]
    inside = (coarse > logit_threshold).numpy()
    if not inside.any():
        return logits
    labels = torch.from_numpy(label_components(inside)).flatten(1)
    weights = torch.zeros(int(labels.max()) + 1).scatter_add_(0, labels.flatten(), coarse.sigmoid().flatten())
    # Label 0 is the background.
    weights[0] = 0
    weight_of_cell = weights[labels]
    large = (weight_of_cell >= least * weight_of_cell.amax(1, keepdim=True)).view(inside.shape).numpy() & inside
    # The outline of a component lies in cells whose mean is below the threshold: neighbouring cells stay as they are. A
    # mask without any component stays whole.
    outside = inside.any(axis=(1, 2), keepdims=True) & (least > 0).numpy()[..., None] & ~_dilated(large)
    outside = outside.repeat(CELL, -1).repeat(CELL, -2)[:, : logits.shape[1], : logits.shape[2]]
    removed = (logits.numpy() > logit_threshold) & outside
    if not removed.any():
        return logits
    cleaned = logits.clone()
    np.copyto(cleaned.numpy(), logit_threshold - MARGIN, where=removed)
    return cleaned


def label_components(inside: Cells) -> npt.NDArray[np.int64]:
    """Number the connected components of each mask; cells that touch at a corner are connected.

    `benchmarks/connected_components.py` compares it with `scipy.ndimage.label`.

    Args:
        inside: (N, h, w), whether a cell belongs to its mask.

    Returns:
        (N, h, w): 0 outside the masks; inside, a positive number that the cells of one component share, and no cell of
        another component of any mask has. The numbers may have gaps.
    """
    # Runs are stretches of cells along a row; they are numbered from 1 and then merged.
    starts = inside.copy()
    starts[..., 1:] &= ~inside[..., :-1]
    runs = np.cumsum(starts, dtype=np.int64).reshape(inside.shape) * inside
    first, second = _touching_runs(inside, runs)
    # Merge: every tree of runs hangs its root below a root with a lower number, until touching runs share a root.
    root = np.arange(runs.max(initial=0) + 1)
    while first.size:
        np.minimum.at(root, np.maximum(first, second), np.minimum(first, second))
        while not np.array_equal(above := root[root], root):
            root = above
        first, second = root[first], root[second]
        apart = first != second
        first, second = first[apart], second[apart]
    labels: npt.NDArray[np.int64] = root[runs]
    return labels


def _touching_runs(inside: Cells, runs: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers of the runs that touch a run in the next row, and of the runs that they touch."""
    upper_rows, lower_rows = (slice(None), slice(None, -1)), (slice(None), slice(1, None))
    everywhere, left, right = slice(None), slice(None, -1), slice(1, None)
    pairs = []
    for upper_columns, lower_columns in ((everywhere, everywhere), (left, right), (right, left)):
        upper, lower = (*upper_rows, upper_columns), (*lower_rows, lower_columns)
        touching = inside[upper] & inside[lower]
        # Two runs touch along a stretch of cells: its first cell is enough.
        touching[..., 1:] &= ~touching[..., :-1]
        pairs.append((runs[upper][touching], runs[lower][touching]))
    first, second = (np.concatenate(numbers) for numbers in zip(*pairs, strict=True))
    return first, second


def _dilated(cells: Cells) -> Cells:
    """(N, h, w) cells -> these cells and their neighbours, those at a corner too."""
    wide = cells.copy()
    wide[..., 1:] |= cells[..., :-1]
    wide[..., :-1] |= cells[..., 1:]
    tall = wide.copy()
    tall[:, 1:] |= wide[:, :-1]
    tall[:, :-1] |= wide[:, 1:]
    return tall
