"""What is known of each candidate before any word: looks, place, size, colours, parts and surroundings. [D]

Everything is read from frozen maps and the pixels under a candidate's mask, so that the outlines of annotated things
can be described in the same way. `[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: K
candidates, (h, w) positions of their masks, a quarter of the frame's (H, W) pixels; C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.candidates import STRIDES, Candidates
from vlp_rvos.models.maps import halve

__all__ = ["MOTION", "PARTS", "Descriptors", "FrameMaps", "FrameThings", "describe", "descriptor_widths"]

#: Number of parts along each side of a candidate's box.
PARTS = 4
#: Number of horizontal bands of a candidate whose colours are described one by one.
BANDS = 3
#: Numbers that describe place and size, colours, and motion.
GEOMETRY, COLOURS, MOTION = 12, 3 * (2 + BANDS), 7
#: Smallest number of positions, and smallest side as a share of the frame, that something is divided by or grown from.
SMALLEST_COVER, SMALLEST_SIDE = 1e-4, 0.03
#: Largest ratio of a box's sides that is told apart from larger ones.
LARGEST_ASPECT = 20


@dataclass
class Descriptors:
    """Descriptions of K candidates.

    Attributes:
        looks: (K, C) means of the frozen maps inside the mask.
        names: (K, 2, d_s) what the classes seen inside the mask are called, in the shared space: the classes of the
            image stem, and those of the detector.
        classes: (K, 80) strongest and mean probabilities of the detector's classes inside the mask, averaged.
        geometry: (K, 12) left, top, right and bottom of the box in [-1, 1], its width and height as shares of the
            frame's, x and y of the mask's centre in [-1, 1], its area as a share of the frame, a logarithm of the area,
            its share of the box, and a logarithm of the box's width over its height.
        colours: (K, 15) means of red, green and blue, twice their deviations, and the means of the upper, middle and
            lower third of the box.
        surroundings: (K, C') means of the maps of stride 16 around the mask, and the strongest classes there.
        parts: (K, 16, C'') means of the maps of stride 8 in the cells of a grid over the box, and how much of each cell
            the mask covers.
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

    def as_batch(self) -> Descriptors:
        """The same descriptions with an axis for pictures in front, (1, K, ...), as `Choice` takes them."""
        return Descriptors(**{name: value[None] for name, value in vars(self).items()})


#: The candidates of one frame, and what is known of them.
FrameThings: TypeAlias = tuple[Candidates, Descriptors]


@dataclass
class FrameMaps:
    """The frozen maps of one frame, float32, for the strides 8, 16 and 32.

    Attributes:
        pixels: (3, h, w) RGB in [0, 1], at the size of the masks.
        stem: stride -> (C, H/stride, W/stride) maps of the image stem.
        named: (d_s, H/32, W/32) class names of the stem, see `FrameTokens.named`.
        hidden: stride -> (128, H/stride, W/stride) maps of the detector.
        classes: stride -> (80, H/stride, W/stride) probabilities of the detector's classes.
    """

    pixels: Tensor
    stem: Mapping[int, Tensor]
    named: Tensor
    hidden: Mapping[int, Tensor]
    classes: Mapping[int, Tensor]


def descriptor_widths(stem: Mapping[int, int], hidden: int, classes: int, shared: int) -> dict[str, int]:
    """Number of channels of each field of `Descriptors`; of `names`, of both names together.

    Args:
        stem: channels of the image stem's maps, by stride.
        hidden: channels of the detector's maps.
        classes: number of the detector's classes.
        shared: width d_s of the shared space.
    """
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
    masks = masks.float()
    masks = masks + (masks.sum((1, 2), keepdim=True) <= 0).float()
    boxes = _boxes(masks)
    resized = _pyramid(masks)
    columns, rows = masks.sum(1), masks.sum(2)
    looks = [_mean(level[stride], resized[stride]) for level in (maps.stem, maps.hidden) for stride in STRIDES]
    strongest = _strongest([maps.classes[stride] for stride in STRIDES], [resized[stride] for stride in STRIDES])
    mean = torch.stack([_mean(maps.classes[stride], resized[stride]) for stride in STRIDES]).mean(0)
    classes = (strongest + mean) / 2
    return Descriptors(
        torch.cat(looks, -1),
        torch.stack([_mean(maps.named, resized[32]), _name(classes, class_names)], 1),
        classes,
        _geometry(columns, rows, boxes),
        _colours(maps.pixels, masks, rows, boxes),
        _surroundings(maps, resized[16], boxes),
        _parts(maps, masks, boxes),
        masks.new_zeros(len(masks), MOTION),
    )


def _pyramid(masks: Tensor) -> dict[int, Tensor]:
    """Masks (K, h, w) -> stride -> shares (K, H/stride, W/stride) of the positions that they cover."""
    levels = {}
    for stride in STRIDES:
        masks = levels[stride] = halve(masks)
    return levels


def _mean(values: Tensor, masks: Tensor) -> Tensor:
    """(C, h, w) values and (K, h, w) masks -> (K, C) means inside; 0 where a mask is empty."""
    flat = masks.flatten(1)
    return (flat @ values.flatten(1).T) / flat.sum(1, keepdim=True).clamp(min=SMALLEST_COVER)


def _strongest(values: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
    """Levels (C, h, w) of positive values, masks (K, h, w) for each -> (K, C) largest values inside.

    Inside is what a mask covers by more than half of what it covers of any position of the level; where it covers
    nothing, the values are 0.
    """
    inside = torch.cat([(mask > 0.5 * mask.amax((1, 2), keepdim=True)).flatten(1) for mask in masks], 1)
    # A row for each position. The maps have their channels last, so that this is their order in memory.
    rows = torch.cat([level.flatten(1).T for level in values])
    if rows.device.type != "cpu":
        return (rows * inside[..., None]).amax(1)
    # Most masks cover little: their positions alone are read.
    parts = rows[inside.nonzero()[:, 1]].split(inside.sum(1).tolist())
    return torch.stack([part.amax(0) if len(part) else part.new_zeros(part.shape[1]) for part in parts])


def _name(classes: Tensor, class_names: Tensor) -> Tensor:
    """Probabilities (K, 80), names (80, d_s) -> (K, d_s) names of the likeliest classes, as long as they are sure."""
    weights = classes.pow(2) / classes.pow(2).sum(-1, keepdim=True).clamp(min=1e-6)
    return weights @ class_names * classes.amax(-1, keepdim=True)


def _surroundings(maps: FrameMaps, masks: Tensor, boxes: Tensor) -> Tensor:
    """(K, C') means of the maps of stride 16, and the strongest classes, around each mask (K, H/16, W/16)."""
    ring = _ring(masks, boxes)
    means = [_mean(level[16], ring) for level in (maps.stem, maps.hidden)]
    return torch.cat([*means, _strongest([maps.classes[16]], [ring])], -1)


def _centres(length: int, like: Tensor) -> Tensor:
    """Middles of `length` rows or columns of a frame, as shares of its side."""
    return (torch.arange(length, device=like.device) + 0.5) / length


def _boxes(masks: Tensor) -> Tensor:
    """(K, h, w) -> (K, 4) left, top, right, bottom as shares of the frame."""
    # Of a mask that reaches one half nowhere, everything counts.
    limit = torch.where(masks.amax((1, 2)) > 0.5, 0.5, 0.0)[:, None]
    columns, rows = (masks.amax(1) > limit).float(), (masks.amax(2) > limit).float()
    width, height = columns.shape[1], rows.shape[1]
    left, right = columns.argmax(1), width - columns.flip(1).argmax(1)
    top, bottom = rows.argmax(1), height - rows.flip(1).argmax(1)
    return torch.stack([left / width, top / height, right / width, bottom / height], 1)


def _ring(masks: Tensor, boxes: Tensor) -> Tensor:
    """How much of each position lies in a box twice as large as the mask's, but not in the mask.

    Masks are (K, H/16, W/16), and so is what is returned.
    """
    half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=SMALLEST_SIDE)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    sides: list[Tensor] = []
    for length, axis in zip(masks.shape[-2:], (1, 0), strict=True):
        # The box has the resolution of the whole masks, four positions for each of these.
        away = (_centres(4 * length, masks) - centre[:, [axis]]).abs()
        sides.append((away <= half[:, [axis]]).float().unflatten(1, (-1, 4)).mean(-1))
    inside_y, inside_x = sides
    return (inside_y[:, :, None] * inside_x[:, None] - masks).clamp(min=0)


def _geometry(columns: Tensor, rows: Tensor, boxes: Tensor) -> Tensor:
    """(K, GEOMETRY) place and size as `Descriptors.geometry`.

    Args:
        columns: (K, w) sums of the masks over each column.
        rows: (K, h) sums over each row.
        boxes: (K, 4).
    """
    width, height = columns.shape[1], rows.shape[1]
    size = boxes[:, 2:] - boxes[:, :2]
    covered = rows.sum(1)
    area = covered / (width * height)
    total = covered.clamp(min=SMALLEST_COVER)
    centre_x, centre_y = (sums @ _centres(sums.shape[1], sums) / total for sums in (columns, rows))
    fill = area / size.prod(-1).clamp(min=1e-6)
    log_area = area.clamp(min=1e-5).log() / 4 + 1
    aspect = (size[:, 0] * width / (size[:, 1] * height).clamp(min=1e-4)).clamp(1 / LARGEST_ASPECT, LARGEST_ASPECT)
    numbers = [centre_x * 2 - 1, centre_y * 2 - 1, area, log_area, fill, aspect.log() / 2]
    return torch.cat([boxes * 2 - 1, size, torch.stack(numbers, 1)], 1)


def _colours(pixels: Tensor, masks: Tensor, rows: Tensor, boxes: Tensor) -> Tensor:
    """(K, COLOURS) colours as `Descriptors.colours`.

    Args:
        pixels: (3, h, w).
        masks: (K, h, w).
        rows: (K, h) sums of the masks over each row.
        boxes: (K, 4).
    """
    values = torch.cat([pixels, pixels.square()]).movedim(0, -1)
    # (K, h, 6): every row is summed up once, and all means are made of the rows.
    of_rows = torch.bmm(masks.transpose(0, 1), values).transpose(0, 1)

    def mean(weights: Tensor) -> Tensor:
        """(K, h) weights of the rows -> (K, 6) means."""
        return (weights[:, None] @ of_rows)[:, 0] / (weights * rows).sum(1, keepdim=True).clamp(min=SMALLEST_COVER)

    whole, square = mean(torch.ones_like(rows)).split(3, 1)
    deviation = (square - whole.square()).clamp(min=0).sqrt()
    relative = (_centres(rows.shape[1], rows) - boxes[:, 1:2]) / (boxes[:, 3:] - boxes[:, 1:2]).clamp(min=1e-4)
    bands = []
    for band in range(BANDS):
        weights = ((relative >= band / BANDS) & (relative < (band + 1) / BANDS)).float()
        # A band without a pixel is described by the whole mask.
        weights = torch.where((weights * rows).sum(1, keepdim=True) > 0, weights, 1.0)
        bands.append(mean(weights)[:, :3])
    return torch.cat([whole, deviation * 2, *bands], 1)


def _parts(maps: FrameMaps, masks: Tensor, boxes: Tensor) -> Tensor:
    """(K, PARTS**2, C''): the maps of stride 8 in the cells of a grid over each box, and how much the mask covers.

    Each cell is the mean of 2 x 2 bilinear samples.
    """
    steps = _centres(2 * PARTS, masks)
    extent = boxes[:, 2:] - boxes[:, :2]
    x, y = boxes[:, :1] + steps * extent[:, :1], boxes[:, 1:2] + steps * extent[:, 1:]
    grid = torch.stack(
        [x[:, None].expand(-1, 2 * PARTS, -1) * 2 - 1, y[:, :, None].expand(-1, -1, 2 * PARTS) * 2 - 1], -1
    )
    points = grid.flatten(0, 1)[None]
    fine = [F.grid_sample(level[8][None], points, align_corners=False)[0] for level in (maps.stem, maps.hidden)]
    # The rows of all grids lie below each other, and each has an even number.
    cells = halve(torch.cat(fine)).unflatten(1, (len(masks), PARTS)).transpose(0, 1)
    inside = halve(F.grid_sample(masks[:, None], grid, align_corners=False)[:, 0])
    return torch.cat([cells, inside[:, None]], 1).flatten(2).transpose(1, 2)
