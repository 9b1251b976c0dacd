"""What is known of each candidate before any word: looks, place, size, colours, parts and surroundings. [D]

Everything is read from frozen maps and the pixels under a candidate's mask, so that the outlines of annotated things
can be described in the same way. `[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: K
candidates, (h, w) positions of their masks, a quarter of the frame's (H, W) pixels; C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.candidates import Candidates

__all__ = ["Descriptors", "FrameMaps", "FrameThings", "describe", "descriptor_widths"]

#: parts along each side of a candidate's box
PARTS = 4
#: vertical thirds of a candidate, whose colours are described one by one
BANDS = 3
GEOMETRY = 12
COLOURS = 3 * (2 + BANDS)
MOTION = 7


@dataclass
class Descriptors:
    """Descriptions of K candidates.

    Attributes:
        looks: (K, C) means of the frozen maps inside the mask.
        names: (K, 2, d_s) what the classes seen inside the mask are called, in the shared space: the classes of the
            image stem, and those of the detector.
        classes: (K, 80) strongest and mean probabilities of the detector's classes inside the mask, averaged.
        geometry: (K, 12) place and size, relative to the frame.
        colours: (K, 15) means and deviations of red, green and blue, and the means of the vertical thirds.
        surroundings: (K, C') means of the maps around the mask.
        parts: (K, 16, C'') means of fine maps in the cells of a grid over the box.
        motion: (K, 7) how the candidate moves through the frames of a clip, see `tracks.follow`; 0 in a single frame.
    """

    looks: Tensor
    names: Tensor
    classes: Tensor
    geometry: Tensor
    colours: Tensor
    surroundings: Tensor
    parts: Tensor
    motion: Tensor

    def select(self, rows: Tensor) -> Descriptors:
        """The descriptions of some of the candidates."""
        return Descriptors(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @staticmethod
    def join(parts: list[Descriptors]) -> Descriptors:
        """One after another."""
        return Descriptors(
            **{field.name: torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Descriptors)}
        )


#: The candidates of one frame, and what is known of them.
FrameThings = tuple[Candidates, "Descriptors"]


@dataclass
class FrameMaps:
    """The frozen maps of one frame, float32.

    Attributes:
        pixels: (3, h, w) RGB in [0, 1], at the size of the masks.
        stem: stride -> (C, H/stride, W/stride) maps of the image stem.
        named: (d_s, H/32, W/32) class names of the stem, see `MiniBackbone.stem_maps`.
        hidden: stride -> (128, H/stride, W/stride) maps of the detector.
        classes: stride -> (80, H/stride, W/stride) probabilities of the detector's classes.
    """

    pixels: Tensor
    stem: Mapping[int, Tensor]
    named: Tensor
    hidden: Mapping[int, Tensor]
    classes: Mapping[int, Tensor]


def descriptor_widths(stem: Mapping[int, int], hidden: int, classes: int, shared: int) -> dict[str, int]:
    """Number of channels of each field of `Descriptors`."""
    return {
        "looks": stem[8] + stem[16] + stem[32] + 3 * hidden,
        "names": 2 * shared,
        "classes": classes,
        "geometry": GEOMETRY,
        "colours": COLOURS,
        "surroundings": stem[16] + hidden + classes,
        "parts": stem[8] + hidden + 1,
        "motion": MOTION,
    }


def describe(maps: FrameMaps, class_names: Tensor, masks: Tensor) -> Descriptors:
    """Describe candidates of a frame.

    Args:
        maps: the frozen maps.
        class_names: (80, d_s) sentence features of the names of the detector's classes.
        masks: (K, h, w) masks in [0, 1]; an empty one is described as if it filled the frame.
    """
    count = len(masks)
    masks = masks.float()
    masks = torch.where(masks.sum((1, 2), keepdim=True) > 0, masks, 1.0)
    boxes = _boxes(masks)
    ring = _ring(masks, boxes)
    at = {stride: F.interpolate(masks[None], maps.stem[stride].shape[-2:], mode="area")[0] for stride in (8, 16, 32)}
    looks = [_mean(maps.stem[s], at[s]) for s in (8, 16, 32)] + [_mean(maps.hidden[s], at[s]) for s in (8, 16, 32)]
    named = _mean(maps.named, at[32])
    strongest = torch.stack([_strongest(maps.classes[s], at[s]) for s in (8, 16, 32)]).amax(0)
    mean = torch.stack([_mean(maps.classes[s], at[s]) for s in (8, 16, 32)]).mean(0)
    classes = (strongest + mean) / 2
    weights = classes.pow(2) / classes.pow(2).sum(-1, keepdim=True).clamp(min=1e-6)
    confidence = classes.amax(-1, keepdim=True)
    detected = weights @ class_names * confidence
    ring16 = F.interpolate(ring[None], maps.stem[16].shape[-2:], mode="area")[0]
    around = torch.cat(
        [_mean(m, ring16) for m in (maps.stem[16], maps.hidden[16])] + [_strongest(maps.classes[16], ring16)], -1
    )
    return Descriptors(
        torch.cat(looks, -1),
        torch.stack([named, detected], 1),
        classes,
        _geometry(masks, boxes),
        _colours(maps.pixels, masks, boxes),
        around,
        _parts(maps, masks, boxes),
        masks.new_zeros(count, MOTION),
    )


def _mean(values: Tensor, masks: Tensor) -> Tensor:
    """(C, h, w) values and (K, h, w) masks -> (K, C)."""
    flat = masks.flatten(1)
    return (flat @ values.flatten(1).T) / flat.sum(1, keepdim=True).clamp(min=1e-4)


def _strongest(values: Tensor, masks: Tensor) -> Tensor:
    """(C, h, w) positive values and (K, h, w) masks -> (K, C) largest values inside; 0 where a mask is empty."""
    inside = (masks > 0.5 * masks.flatten(1).amax(1)[:, None, None]).flatten(1)
    flat = values.flatten(1)
    # Nothing is around a candidate that fills the frame.
    return torch.stack([flat[:, rows].amax(1) if rows.any() else flat.new_zeros(len(flat)) for rows in inside])


def _boxes(masks: Tensor) -> Tensor:
    """(K, h, w) -> (K, 4) left, top, right, bottom as shares of the frame."""
    inside = masks > 0.5
    inside = torch.where(inside.flatten(1).any(1)[:, None, None], inside, masks > 0)
    columns, rows = inside.any(1).float(), inside.any(2).float()
    width, height = columns.shape[1], rows.shape[1]
    left, right = columns.argmax(1), width - columns.flip(1).argmax(1)
    top, bottom = rows.argmax(1), height - rows.flip(1).argmax(1)
    return torch.stack([left / width, top / height, right / width, bottom / height], 1)


def _ring(masks: Tensor, boxes: Tensor) -> Tensor:
    """(K, h, w): what lies in a box twice as large, but not in the mask."""
    height, width = masks.shape[-2:]
    half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0.03)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    x = (torch.arange(width, device=masks.device) + 0.5) / width
    y = (torch.arange(height, device=masks.device) + 0.5) / height
    inside_x = ((x - centre[:, :1]).abs() <= half[:, :1]).float()
    inside_y = ((y - centre[:, 1:]).abs() <= half[:, 1:]).float()
    return inside_y[:, :, None] * inside_x[:, None] * (1 - masks)


def _geometry(masks: Tensor, boxes: Tensor) -> Tensor:
    height, width = masks.shape[-2:]
    size = boxes[:, 2:] - boxes[:, :2]
    area = masks.mean((1, 2))
    x = (torch.arange(width, device=masks.device) + 0.5) / width
    y = (torch.arange(height, device=masks.device) + 0.5) / height
    total = masks.sum((1, 2)).clamp(min=1e-4)
    centre_x, centre_y = (masks.sum(1) @ x) / total, (masks.sum(2) @ y) / total
    fill = area / size.prod(-1).clamp(min=1e-6)
    log_area = area.clamp(min=1e-5).log() / 4 + 1
    aspect = (size[:, 0] * width / (size[:, 1] * height).clamp(min=1e-4)).clamp(0.05, 20).log() / 2
    return torch.cat(
        [boxes * 2 - 1, size, torch.stack([centre_x * 2 - 1, centre_y * 2 - 1, area, log_area, fill, aspect], 1)], 1
    )


def _colours(pixels: Tensor, masks: Tensor, boxes: Tensor) -> Tensor:
    mean = _mean(pixels, masks)
    deviation = (_mean(pixels.square(), masks) - mean.square()).clamp(min=0).sqrt()
    height = masks.shape[-2]
    y = (torch.arange(height, device=masks.device) + 0.5) / height
    relative = (y[None] - boxes[:, 1:2]) / (boxes[:, 3:] - boxes[:, 1:2]).clamp(min=1e-4)
    bands = []
    for band in range(BANDS):
        rows = ((relative >= band / BANDS) & (relative < (band + 1) / BANDS)).float()
        part = masks * rows[:, :, None]
        empty = part.sum((1, 2), keepdim=True) <= 0
        bands.append(_mean(pixels, torch.where(empty, masks, part)))
    return torch.cat([mean, deviation * 2, *bands], 1)


def _parts(maps: FrameMaps, masks: Tensor, boxes: Tensor) -> Tensor:
    """(K, PARTS**2, C): bilinear samples of the fine maps in a grid over each box, and the mask there."""
    count = len(masks)
    steps = (torch.arange(2 * PARTS, device=masks.device) + 0.5) / (2 * PARTS)
    extent = boxes[:, 2:] - boxes[:, :2]
    x, y = boxes[:, :1] + steps * extent[:, :1], boxes[:, 1:2] + steps * extent[:, 1:]
    grid = torch.stack(
        [x[:, None].expand(-1, 2 * PARTS, -1) * 2 - 1, y[:, :, None].expand(-1, -1, 2 * PARTS) * 2 - 1], -1
    )
    fine = torch.cat([maps.stem[8], maps.hidden[8]])[None]
    flat = grid.reshape(1, count * 2 * PARTS, 2 * PARTS, 2)
    sampled = F.grid_sample(fine, flat, align_corners=False)[0].unflatten(1, (count, 2 * PARTS)).transpose(0, 1)
    inside = F.grid_sample(masks[:, None], grid, align_corners=False)
    cells = F.avg_pool2d(torch.cat([sampled, inside], 1), 2)
    return cells.flatten(2).transpose(1, 2)
