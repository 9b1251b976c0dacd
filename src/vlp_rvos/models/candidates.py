"""Candidates: the separate things of a frame, proposed without words, so that one pass serves all expressions. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Each position of a feature pyramid proposes one
thing: how sure it is, a box, and the weights of a small network of its own that draws the thing's mask (the idea of
CondInst, https://arxiv.org/abs/2003.05664, with coordinates relative to the box). The best proposals that do not
repeat each other are the candidates. Shapes: N frames, (H, W) pixels of a frame, P positions of the pyramid, D weights
of a network that draws a mask, M channels that masks are drawn from, K candidates, (h, w) = (H/4, W/4), C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.convolution import Convolution, Smooth

__all__ = ["ABSENT", "MASK_STRIDE", "STRIDES", "CandidateHead", "Candidates", "Proposals"]

#: Strides of the pyramid's levels, in pixels.
STRIDES = (8, 16, 32)
#: Stride of the candidates' masks, in pixels.
MASK_STRIDE = 4
#: Channels between the pyramid and the maps that masks are drawn from.
MASK_HIDDEN = 48
#: Objectness logit of every position before training: things are rare.
FIRST_OBJECTNESS = -3.5
#: Largest absolute logarithm of the distance from a position to a side of its box, in strides.
LARGEST_LOG = 8.0
#: Smallest distance, in strides, that is taken from the detector.
SMALLEST_DISTANCE = 0.05
#: Coordinates of a mask are clamped to this many widths or heights of the box from its centre.
FARTHEST = 4
#: Number of masks that a CPU draws together where no gradients are needed.
DRAWN_AT_ONCE = 8
#: Masks are drawn in the rows of their boxes, this share of the height more on either side, and so many pixels.
MARGIN, SMALLEST_MARGIN = 0.25, 8.0
#: Logit of a mask where it is not drawn, or where its thing is not seen.
ABSENT = -8.0
#: Rows and columns of masks that are compared to find those that repeat each other: every other one.
COMPARED_EVERY = 2
#: Smallest width and height of a box that coordinates are relative to, in pixels.
SMALLEST_BOX = 1.0


@dataclass
class Proposals:
    """What every position of the pyramid proposes.

    Attributes:
        objectness: (N, P) logits of the proposal being a thing that its box and mask fit.
        boxes: (N, P, 4) left, top, right and bottom in pixels.
        weights: (N, P, D) weights of the network that draws the mask; None where they are left to `select`.
        kernel_levels: for each level (N, width, h', w') features from which the weights are computed.
        centres: (P, 2) x and y of the position in pixels.
        strides: (P,) stride of the position in pixels.
        mask_features: (N, M, h, w) what the networks draw the masks from.
    """

    objectness: Tensor
    boxes: Tensor
    weights: Tensor | None
    kernel_levels: list[Tensor]
    centres: Tensor
    strides: Tensor
    mask_features: Tensor


@dataclass
class Candidates:
    """The candidates of one frame, the surest first.

    Attributes:
        positions: (K,) index of the position that proposed each candidate.
        objectness: (K,) probabilities of being a thing.
        boxes: (K, 4) left, top, right and bottom in pixels.
        mask_logits: (K, h, w), float32.
    """

    positions: Tensor
    objectness: Tensor
    boxes: Tensor
    mask_logits: Tensor


class CandidateHead(nn.Module):
    """Feature pyramid, proposals and masks.

    Args:
        inputs: stride -> number of channels of the frozen maps of that stride; 4, 8, 16 and 32 are needed.
        width: channels of the pyramid.
        mask_width: channels M of the maps that masks are drawn from.
        hidden: channels of the networks that draw masks.
        boxes_given: whether the boxes start from those of a detector.
    """

    def __init__(
        self,
        inputs: Mapping[int, int],
        width: int = 96,
        mask_width: int = 16,
        hidden: int = 12,
        boxes_given: bool = True,
    ) -> None:
        super().__init__()
        self.mask_width, self.boxes_given = mask_width, boxes_given
        self.lateral = nn.ModuleDict({str(s): Convolution(inputs[s], width, 1) for s in STRIDES})
        self.smooth = nn.ModuleDict({str(s): Smooth(width, width) for s in STRIDES})
        self.tower = nn.Sequential(Smooth(width, width), Smooth(width, width))
        self.kernel_tower = nn.Sequential(Smooth(width, width), Smooth(width, width))
        #: (outputs, inputs) of each layer of a network that draws a mask; it also sees x and y.
        self.shapes = [(hidden, mask_width + 2), (hidden, hidden), (1, hidden)]
        self.objectness = Convolution(width, 1, 3, padding=1)
        self.box = Convolution(width, 4, 3, padding=1)
        weights = sum(outputs * inputs + outputs for outputs, inputs in self.shapes)
        self.kernel = Convolution(width, weights, 3, padding=1)
        self.level_scale = nn.Parameter(torch.ones(len(STRIDES)))
        self.mask_coarse = Smooth(width, MASK_HIDDEN)
        self.mask_fine = Convolution(inputs[MASK_STRIDE], MASK_HIDDEN, 1)
        self.mask_out = nn.Sequential(Smooth(MASK_HIDDEN, MASK_HIDDEN), Convolution(MASK_HIDDEN, mask_width, 1))
        self._initialize()

    def _initialize(self) -> None:
        for layer, std in ((self.objectness, 0.01), (self.box, 0.001), (self.kernel, 0.01)):
            nn.init.normal_(layer.weight, std=std)
        assert self.objectness.bias is not None
        assert self.box.bias is not None
        nn.init.constant_(self.objectness.bias, FIRST_OBJECTNESS)
        nn.init.constant_(self.box.bias, 0.0 if self.boxes_given else 1.0)

    # --- proposals -------------------------------------------------------------------------------------------------
    def forward(
        self, maps: Mapping[int, Tensor], distances: Mapping[int, Tensor] | None = None, *, all_weights: bool = True
    ) -> Proposals:
        """Propose.

        Args:
            maps: frozen maps, stride -> (N, C, H/stride, W/stride); 4, 8, 16 and 32 are needed.
            distances: distances in pixels from each position to the left, top, right and bottom of a box that a
                detector sees there, stride -> (N, 4, H/stride, W/stride) for the strides 8, 16 and 32; None where there
                is no detector.
            all_weights: whether to compute the weights of the networks of all positions, which takes a third of the
                time; a loss of all proposals needs them. Otherwise `select` computes those that it needs, equal up to
                rounding.
        """
        levels = self._levels(maps)
        objectness, boxes, centres, strides = [], [], [], []
        for scale, (stride, level) in zip(self.level_scale, levels.items(), strict=True):
            tower = self.tower(level)
            places = _centres(stride, level)
            objectness.append(self.objectness(tower).float().flatten(1))
            boxes.append(self._boxes(tower, places, stride, scale, None if distances is None else distances[stride]))
            centres.append(places)
            strides.append(places.new_full((len(places),), stride))
        kernel_levels = [self.kernel_tower(level) for level in levels.values()]
        return Proposals(
            torch.cat(objectness, 1),
            torch.cat(boxes, 1),
            torch.cat([_rows(self.kernel(level)) for level in kernel_levels], 1) if all_weights else None,
            kernel_levels,
            torch.cat(centres),
            torch.cat(strides),
            self._mask_features(maps[MASK_STRIDE], levels[STRIDES[0]]),
        )

    def _levels(self, maps: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Frozen maps -> levels of the pyramid, stride -> (N, width, H/stride, W/stride), the finest first."""
        levels: dict[int, Tensor] = {}
        coarser: Tensor | None = None
        for stride in reversed(STRIDES):
            level = self.lateral[str(stride)](maps[stride])
            if coarser is not None:
                level = level + F.interpolate(coarser, size=level.shape[-2:], mode="nearest")
            levels[stride], coarser = self.smooth[str(stride)](level), level
        return {stride: levels[stride] for stride in STRIDES}

    def _boxes(self, tower: Tensor, centres: Tensor, stride: int, scale: Tensor, distances: Tensor | None) -> Tensor:
        """Boxes (N, P, 4) in pixels of the P positions of one level."""
        log = self.box(tower).float() * scale
        if distances is not None and self.boxes_given:
            log = log + (distances.float() / stride).clamp(min=SMALLEST_DISTANCE).log()
        sides = _rows(log.clamp(-LARGEST_LOG, LARGEST_LOG).exp() * stride)
        return torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], -1)

    def _mask_features(self, frozen: Tensor, finest: Tensor) -> Tensor:
        """Frozen map (N, C, h, w) and finest level of the pyramid -> (N, M, h, w)."""
        fine, coarse = self.mask_fine(frozen), self.mask_coarse(finest)
        features: Tensor = self.mask_out(fine + F.interpolate(coarse, fine.shape[-2:], mode="bilinear"))
        return features

    def _weights(self, proposals: Proposals, frame: int, positions: Tensor) -> Tensor:
        """Weights (K, D) of the networks of some positions of a frame."""
        if proposals.weights is not None:
            return proposals.weights[frame, positions]
        levels = [level[frame] for level in proposals.kernel_levels]
        # A row for each position, and one of zeros for what lies outside.
        rows = F.pad(torch.cat([level.flatten(1).T for level in levels]), (0, 0, 0, 1))
        neighbours = rows[_neighbourhoods(levels)[positions]].float()
        return F.linear(neighbours.transpose(1, 2).flatten(1), self.kernel.weight.flatten(1), self.kernel.bias)

    # --- masks -----------------------------------------------------------------------------------------------------
    def draw(self, mask_features: Tensor, weights: Tensor, boxes: Tensor) -> Tensor:
        """Draw the masks of K proposals of one frame, each with a network of its own.

        Args:
            mask_features: (M, h, w).
            weights: (K, D) weights of the networks: for each layer its matrix, row by row, then its bias.
            boxes: (K, 4) in pixels.

        Returns:
            (K, h, w) logits, float32; on a CPU and without gradients `ABSENT` well above and below the boxes.
        """
        weights, mask_features = weights.float(), mask_features.float()
        if weights.device.type != "cpu" or torch.is_grad_enabled() or not len(weights):
            return self._draw(mask_features, weights, boxes)
        drawn = mask_features.new_full((len(weights), *mask_features.shape[-2:]), ABSENT)
        # A few at a time, so that hidden layers stay in the processor's cache, and in the rows around their boxes only.
        for few in boxes[:, 1::2].sum(1).argsort().split(DRAWN_AT_ONCE):
            start, end = _rows_around(boxes[few], mask_features.shape[-2])
            drawn[few, start:end] = self._draw(mask_features, weights[few], boxes[few], start, end)
        return drawn

    def _draw(
        self, mask_features: Tensor, weights: Tensor, boxes: Tensor, start: int = 0, end: int | None = None
    ) -> Tensor:
        """Draw the rows from `start` to before `end` of the masks, (K, end - start, w)."""
        height, width = mask_features.shape[-2:]
        (first, first_bias), *others = self._layers(weights)
        # The features are shared; only the coordinates differ between the candidates.
        shared, of_x, of_y = first.split([self.mask_width, 1, 1], -1)
        columns, rows = _coordinates(boxes, height, width)
        rows, features = rows[..., start:end], mask_features[:, start:end]
        x = (shared.flatten(0, 1) @ features.flatten(1)).view(*first_bias.shape[:2], *features.shape[-2:])
        x = x.add_((of_x * columns + first_bias)[:, :, None]).add_((of_y * rows)[..., None]).flatten(2)
        for weight, bias in others:
            # Adding afterwards takes less time than `baddbmm`, which first fills its result with the bias.
            x = torch.bmm(weight, F.relu(x, inplace=True)).add_(bias)
        masks: Tensor = x[:, 0].view(-1, *features.shape[-2:]).float()
        return masks

    def _layers(self, weights: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(K, D) weights -> matrix (K, outputs, inputs) and bias (K, outputs, 1) of each layer."""
        sizes = [size for outputs, inputs in self.shapes for size in (outputs * inputs, outputs)]
        parts = iter(weights.split(sizes, 1))
        return [(next(parts).unflatten(1, shape), next(parts)[..., None]) for shape in self.shapes]

    def select(self, proposals: Proposals, frame: int, count: int = 24, overlap: float = 0.75) -> Candidates:
        """The surest proposals of a frame that do not repeat each other, as candidates with masks.

        Args:
            proposals: what `forward` returned.
            frame: index of the frame.
            count: largest number of candidates K.
            overlap: intersection over union of boxes or masks above which the less sure proposal repeats the other.
                Of masks, every other row and column is compared.
        """
        scores = proposals.objectness[frame].sigmoid()
        surest = scores.topk(min(4 * count, len(scores))).indices
        kept = distinct(box_overlaps(proposals.boxes[frame, surest]), overlap)[: 2 * count]
        positions = surest[kept]
        weights, boxes = self._weights(proposals, frame, positions), proposals.boxes[frame, positions]
        # The less sure half is drawn only as far as others repeat each other.
        borders = [0, *range(count, len(positions), DRAWN_AT_ONCE), len(positions)]
        chosen, drawn, inside = list[int](), list[Tensor](), list[Tensor]()
        for start, end in pairwise(borders):
            drawn.append(self.draw(proposals.mask_features[frame], weights[start:end], boxes[start:end]))
            inside.append(drawn[-1][:, ::COMPARED_EVERY, ::COMPARED_EVERY] > 0)
            rows = [*chosen, *range(start, end)]
            stays = distinct(mask_overlaps(torch.cat(inside)[rows]), overlap)[:count]
            chosen = [rows[row] for row in stays]
            if len(chosen) == count:
                break
        return Candidates(positions[chosen], scores[positions[chosen]], boxes[chosen], torch.cat(drawn)[chosen])


def _rows(level: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, h * w, C)."""
    return level.flatten(2).transpose(1, 2)


def _centres(stride: int, level: Tensor) -> Tensor:
    """(h * w, 2) x and y, in pixels, of the positions of a level (N, C, h, w)."""
    height, width = level.shape[-2:]
    y, x = torch.meshgrid(
        (torch.arange(height, device=level.device) + 0.5) * stride,
        (torch.arange(width, device=level.device) + 0.5) * stride,
        indexing="ij",
    )
    return torch.stack([x, y], -1).flatten(0, 1)


def _neighbourhoods(levels: Sequence[Tensor]) -> Tensor:
    """Indices (P, 9) of the 3 x 3 neighbourhoods of all positions of levels (C, h', w').

    Positions are counted level by level and row by row; P stands for what lies outside of a level.
    """
    sizes = [level.shape[-2:] for level in levels]
    outside = sum(size.numel() for size in sizes)
    start, found = 0, []
    for size in sizes:
        index = torch.arange(start, start + size.numel(), device=levels[0].device).view(size)
        padded = F.pad(index, (1, 1, 1, 1), value=outside)
        found.append(padded.unfold(0, 3, 1).unfold(1, 3, 1).flatten(2).flatten(0, 1))
        start += size.numel()
    return torch.cat(found)


def _rows_around(boxes: Tensor, height: int) -> tuple[int, int]:
    """The first row of a mask, and the one after the last, that boxes (K, 4) with their margins reach into."""
    boxes = boxes.nan_to_num()
    around = (boxes[:, 3] - boxes[:, 1]) * MARGIN + SMALLEST_MARGIN
    first, last = (boxes[:, 1] - around).amin() / MASK_STRIDE, (boxes[:, 3] + around).amax() / MASK_STRIDE
    start = min(max(int(first), 0), height - 1)
    return start, max(min(int(last) + 1, height), start + 1)


def _coordinates(boxes: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where a mask's columns (K, 1, width) and rows (K, 1, height) lie in each box: 0 in its centre, 1 a side away."""
    x = (torch.arange(width, device=boxes.device) + 0.5) * MASK_STRIDE
    y = (torch.arange(height, device=boxes.device) + 0.5) * MASK_STRIDE
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=SMALLEST_BOX)
    x = ((x - centre[:, :1]) / size[:, :1]).clamp(-FARTHEST, FARTHEST)
    y = ((y - centre[:, 1:]) / size[:, 1:]).clamp(-FARTHEST, FARTHEST)
    return x[:, None], y[:, None]


def distinct(overlaps: Tensor, limit: float) -> list[int]:
    """Indices that stay when each one removes the later ones that it overlaps by more than the limit.

    Args:
        overlaps: (A, A) intersections over union.
        limit: largest overlap of two that stay.

    Returns:
        Indices in ascending order. On the meta device, where costs are counted without values, all of them.
    """
    if overlaps.is_meta:
        return list(range(len(overlaps)))
    repeats = (overlaps > limit).cpu().numpy()
    stays = np.ones(len(repeats), dtype=bool)
    for index in range(len(repeats)):
        if stays[index]:
            stays[index + 1 :] &= ~repeats[index, index + 1 :]
    return stays.nonzero()[0].tolist()


def box_overlaps(boxes: Tensor, others: Tensor | None = None) -> Tensor:
    """Intersection over union of boxes.

    Args:
        boxes: (A, 4) left, top, right and bottom in pixels.
        others: (B, 4); None for `boxes` themselves.

    Returns:
        (A, B) in [0, 1].
    """
    others = boxes if others is None else others
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = (high - low).clamp(min=0).prod(-1)
    first = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(-1)
    second = (others[:, 2:] - others[:, :2]).clamp(min=0).prod(-1)
    return both / (first[:, None] + second[None] - both).clamp(min=1e-6)


def mask_overlaps(masks: Tensor, others: Tensor | None = None) -> Tensor:
    """Intersection over union of masks.

    Args:
        masks: (A, h, w) bool.
        others: (B, h, w) bool; None for `masks` themselves.

    Returns:
        (A, B) in [0, 1]; 0 for two empty masks.
    """
    first = masks.flatten(1).float()
    second = first if others is None else others.flatten(1).float()
    both = first @ second.T
    return both / (first.sum(1)[:, None] + second.sum(1)[None] - both).clamp(min=1.0)
