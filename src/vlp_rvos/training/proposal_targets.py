"""Which proposals learn which things: an assignment by cost, as in SimOTA (https://arxiv.org/abs/2107.08430). [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: M things, P positions of the pyramid, A
assigned positions, (h, w) = (H/4, W/4) positions of the masks of a frame of (H, W) pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.candidates import MASK_STRIDE, Proposals, box_overlaps

__all__ = ["Assignment", "assign", "boxes_of", "cells_of"]

#: a thing gets between 1 and this many positions, as many as the sum of its best overlaps
MOST_POSITIONS = 6
SUMMED_OVERLAPS = 8
#: side of a thing in strides of the level that suits it
SIDE_IN_STRIDES = 8.0
BOX_WEIGHT, LEVEL_WEIGHT = 3.0, 0.7
NEVER = 1e6


class Assignment(NamedTuple):
    """Positions that learn a thing.

    Attributes:
        positions: (A,) indices of positions.
        things: (A,) index of the thing that each of them learns.
        overlaps: (M, P) intersection over union of each thing's box with each proposed one.
    """

    positions: Tensor
    things: Tensor
    overlaps: Tensor


def boxes_of(masks: Tensor) -> Tensor:
    """Masks (M, h, w) bool, none of them empty -> their boxes (M, 4) in pixels: left, top, right, bottom."""
    columns, rows = masks.any(1).float(), masks.any(2).float()
    sides = [
        columns.argmax(1),
        rows.argmax(1),
        columns.shape[1] - columns.flip(1).argmax(1),
        rows.shape[1] - rows.flip(1).argmax(1),
    ]
    return torch.stack(sides, 1).float() * MASK_STRIDE


def cells_of(centres: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
    """Row and column, in maps of (h, w), of the cells that hold the centres (P, 2) x and y in pixels."""
    column, row = (centres / MASK_STRIDE).long().unbind(1)
    return row.clamp(max=size[-2] - 1), column.clamp(max=size[-1] - 1)


@torch.no_grad()
def assign(proposals: Proposals, frame: int, masks: Tensor, boxes: Tensor) -> Assignment:
    """Assign positions to things.

    Positions near the centre of a thing's box, or on the thing and not far from the centre, may learn it; at least the
    nearest one. Of these the cheapest do, by the overlap of their boxes, their objectness, and how well the size of the
    thing suits their stride. A position learns the thing for which it is cheapest.

    Args:
        proposals: what is proposed in the frames.
        frame: index of the frame.
        masks: (M, h, w) bool things of the frame.
        boxes: (M, 4) their boxes in pixels.
    """
    centres, strides = proposals.centres, proposals.strides
    count = len(boxes)
    rows, columns = cells_of(centres, masks.shape)
    on_mask = masks[:, rows, columns]
    middle, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    away = (centres[None] - middle[:, None]).abs()
    near = (away <= torch.maximum(0.15 * side[:, None], 1.5 * strides[None, :, None])).all(-1)
    in_box = ((centres[None] > boxes[:, None, :2]) & (centres[None] < boxes[:, None, 2:])).all(-1)
    allowed = (near & (in_box | on_mask)) | (on_mask & (away <= 0.35 * side[:, None]).all(-1))
    for thing in (~allowed.any(1)).nonzero()[:, 0]:
        allowed[thing, (away[thing].amax(-1) + 0.1 * strides).argmin()] = True

    overlaps = box_overlaps(boxes, proposals.boxes[frame])
    suited = (side.amax(-1) / SIDE_IN_STRIDES).clamp(8, 32).log2()
    level = (strides.log2()[None] - suited[:, None]).abs()
    sure = F.binary_cross_entropy_with_logits(
        proposals.objectness[frame].float().expand(count, -1), overlaps.clamp(0, 1), reduction="none"
    )
    cost = -BOX_WEIGHT * overlaps.clamp(min=1e-3).log() + sure + LEVEL_WEIGHT * level
    cost = cost.masked_fill(~allowed, NEVER)
    best = overlaps.masked_fill(~allowed, 0).topk(min(SUMMED_OVERLAPS, overlaps.shape[1]), 1).values
    numbers = best.sum(1).clamp(1, MOST_POSITIONS).int()
    # (M, P): the cost where the position is among the thing's cheapest, else more than any.
    ranks = cost.argsort(dim=1, stable=True).argsort(dim=1, stable=True)
    chosen = torch.where((ranks < numbers[:, None]) & (cost < NEVER), cost, NEVER)
    price, thing = chosen.min(0)
    positions = (price < NEVER).nonzero()[:, 0]
    return Assignment(positions, thing[positions], overlaps)
