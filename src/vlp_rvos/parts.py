"""Stray parts of masks: what is small beside the largest connected part is rarely what was meant. [D]"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["without_small_parts"]

_CELL = 4
_FAR_BELOW = 10.0


def without_small_parts(logits: Tensor, cut: float, share: float) -> Tensor:
    """Mask logits with small connected parts pushed far below the cut.

    Parts are looked for on a grid of 4 x 4 pixels, cells that touch at a corner being connected, and weighed by their
    probability. What is too small to fill a cell is no part, and dropped where no part that stays is next to it.

    Args:
        logits: (N, h, w) float32.
        cut: logit from which a pixel belongs to the mask.
        share: parts that weigh less than this share of a mask's heaviest part are dropped; 0 keeps all.

    Returns:
        (N, h, w); the same tensor where nothing is dropped.
    """
    if share <= 0:
        return logits
    coarse = F.avg_pool2d(logits[:, None], _CELL, ceil_mode=True)
    inside = coarse > cut
    if not inside.any():
        return logits
    number, cells = len(logits), inside[0].numel()
    # Every cell takes the highest number around it until each part has one number.
    index = torch.arange(1, cells + 1, device=logits.device, dtype=torch.float32).view(1, *inside.shape[1:])
    labels = torch.where(inside, index, 0)
    while True:
        spread = torch.where(inside, F.max_pool2d(labels, 3, 1, 1), 0)
        if torch.equal(spread, labels):
            break
        labels = spread
    names = labels.flatten(1).long()
    weights = torch.zeros(number, cells + 1, device=logits.device)
    weights.scatter_add_(1, names, coarse.sigmoid().flatten(1))
    weights[:, 0] = 0
    kept = (weights >= share * weights.amax(1, keepdim=True)).gather(1, names).view_as(inside) & inside
    # The outline of a part lies in cells of which the mean is below the cut. A mask without any other cell stays.
    near = (F.max_pool2d(kept.float(), 3, 1, 1) > 0) | ~inside.flatten(1).any(1).view(-1, 1, 1, 1)
    near = near.repeat_interleave(_CELL, -2).repeat_interleave(_CELL, -1)[:, 0, : logits.shape[1], : logits.shape[2]]
    dropped = (logits > cut) & ~near
    return logits.masked_fill(dropped, cut - _FAR_BELOW) if dropped.any() else logits
