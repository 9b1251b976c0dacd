"""Rough masks to learn redrawing from: what the model proposes of outlined things, at times spoilt further. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: K candidates, N things, (h, w) positions of
the masks.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.candidates import mask_overlaps
from vlp_rvos.models.tracks import resampled
from vlp_rvos.training.stage_config import RefinementStage

__all__ = ["LEAST_OVERLAP", "rough_masks", "spoil"]

#: IoU of a thing with a candidate from which on this is a mask of it, and of a rough mask from which on it is one.
LEAST_OVERLAP, ROUGHEST = 0.4, 0.3
#: Positions that a thing must cover.
LEAST_POSITIONS = 12
#: Largest logits of masks that are made from outlines.
OUTLINE_LOGITS = (3.0, 8.0)
#: How often a mask is moved, is blurred, gets noise, shrinks or grows, loses an end, and loses or gains a spot.
MOVED, BLURRED, NOISY, SHIFTED, CUT, SPOTTED = 0.4, 0.3, 0.6, 0.5, 0.2, 0.2
#: Largest way that a mask is moved, in sides of a square of its area, and by how much it is resized at most: masks that
#: are carried from one frame to another lie a little beside what they show.
FARTHEST, LARGEST_ZOOM = 0.1, 1.08


def rough_masks(
    candidates: Tensor, truth: Tensor, stage: RefinementStage, rng: np.random.Generator
) -> list[tuple[Tensor, Tensor]]:
    """Draw rough masks of the things of a picture.

    Args:
        candidates: (K, h, w) mask logits of what the model proposes.
        truth: (N, h, w) bool, the things.
        stage: how many, and of what kind.
        rng: source of all choices.

    Returns:
        At most `stage.things` pairs of (h, w) logits and the (h, w) truth.
    """
    pairs: list[tuple[Tensor, Tensor]] = []
    overlaps = mask_overlaps(truth, candidates > 0)
    for k in rng.permutation(len(truth)):
        outline = truth[int(k)]
        if len(pairs) == stage.things:
            break
        if outline.sum() < LEAST_POSITIONS:
            continue
        fits = overlaps.shape[1] > 0 and bool(overlaps[int(k)].amax() > LEAST_OVERLAP)
        if fits and rng.random() < stage.proposed:
            logits = candidates[int(overlaps[int(k)].argmax())] * rng.uniform(0.6, 1.1)
        else:
            logits = (_blur(outline.float(), 5) * 2 - 1) * rng.uniform(*OUTLINE_LOGITS)
        if rng.random() < stage.spoilt:
            logits = spoil(logits, rng)
        if mask_overlaps(outline[None], logits[None] > 0)[0, 0] >= ROUGHEST:
            pairs.append((logits, outline))
    return pairs


def spoil(logits: Tensor, rng: np.random.Generator) -> Tensor:
    """A worse mask (h, w): moved, blurred, noisy, grown or shrunk, without one end, or with a spot more or less."""
    if rng.random() < MOVED:
        logits = _move(logits, rng)
    if rng.random() < BLURRED:
        logits = _blur(logits, int(rng.choice((3, 5))))
    if rng.random() < NOISY:
        cells = [max(2, side // int(rng.choice((4, 8, 16)))) for side in logits.shape]
        noise = torch.from_numpy(rng.normal(size=cells).astype(np.float32)).to(logits)
        smooth = F.interpolate(noise[None, None], logits.shape, mode="bicubic", align_corners=False)[0, 0]
        logits = logits + smooth * rng.uniform(0.3, 1.2)
    if rng.random() < SHIFTED:
        logits = logits + rng.uniform(-1, 1)
    rows, columns = (logits > 0).nonzero().unbind(1)
    if not len(rows):
        return logits
    y, x = torch.meshgrid(*(torch.arange(side, device=logits.device) for side in logits.shape), indexing="ij")
    if rng.random() < CUT:
        angle = rng.uniform(0, 2 * math.pi)
        way = x * math.cos(angle) + y * math.sin(angle)
        limit = way[rows, columns].sort().values[int(rng.uniform(0.7, 0.97) * (len(rows) - 1))]
        logits = logits - (way > limit).float() * rng.uniform(3, 9)
    if rng.random() < SPOTTED:
        radius = math.sqrt(len(rows)) * rng.uniform(0.08, 0.35)
        near = int(rng.integers(len(rows)))
        down, right = (float(at[near]) + rng.uniform(-radius, radius) for at in (rows, columns))
        height, width = radius * rng.uniform(0.6, 1.6), radius * rng.uniform(0.6, 1.6)
        spot = (-(((y - down) / height) ** 2) - ((x - right) / width) ** 2).exp()
        logits = logits + spot * float(rng.choice((-9, -6, 5, 7)))
    return logits


def _move(logits: Tensor, rng: np.random.Generator) -> Tensor:
    """A mask (h, w) somewhere near, a little smaller or larger; an empty one stays as it is."""
    places = (logits > 0).nonzero().flip(1).float()
    if not len(places):
        return logits
    size = logits.new_tensor(logits.shape[::-1])
    centre, side = (places.mean(0) + 0.5) / size, math.sqrt(len(places)) / size
    there = centre + logits.new_tensor(rng.uniform(-FARTHEST, FARTHEST, 2)) * side
    zoom = float(rng.uniform(1 / LARGEST_ZOOM, LARGEST_ZOOM))
    start, end = (
        torch.cat([centre - side / 2, centre + side / 2]),
        torch.cat([there - side / 2 / zoom, there + side / 2 / zoom]),
    )
    return resampled(logits[None], start[None], end[None])[0]


def _blur(values: Tensor, size: int) -> Tensor:
    return F.avg_pool2d(values[None, None], size, 1, size // 2, count_include_pad=False)[0, 0]
