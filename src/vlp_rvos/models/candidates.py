"""Candidates: the separate things of a frame, proposed without words, so that one pass serves all expressions. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Each position of a feature pyramid proposes one
thing: how sure it is, a box, and the weights of a small network of its own that draws the thing's mask (the idea of
CondInst, https://arxiv.org/abs/2003.05664, with coordinates relative to the box). The best proposals that do not
repeat each other are the candidates. Shapes: N frames, (H, W) pixels of a frame, P positions of the pyramid, K
candidates, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CandidateHead", "Candidates", "Proposals"]

STRIDES = (8, 16, 32)
#: stride of the candidates' masks
MASK_STRIDE = 4
#: a box grows or shrinks by at most this factor (as a logarithm) from what the detector says
LARGEST_LOG = 8.0


@dataclass
class Proposals:
    """What every position of the pyramid proposes.

    Attributes:
        objectness: (N, P) logits of the proposal being a thing that its box and mask fit.
        boxes: (N, P, 4) left, top, right and bottom in pixels.
        weights: (N, P, D) weights of the network that draws the mask.
        features: (N, P, C) features of the position.
        centres: (P, 2) x and y of the position in pixels.
        strides: (P,) stride of the position in pixels.
        mask_features: (N, M, H/4, W/4) what the networks draw the masks from.
    """

    objectness: Tensor
    boxes: Tensor
    weights: Tensor
    features: Tensor
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
        mask_logits: (K, H/4, W/4).
        features: (K, C) features of the positions.
    """

    positions: Tensor
    objectness: Tensor
    boxes: Tensor
    mask_logits: Tensor
    features: Tensor


class _Smooth(nn.Sequential):
    """3x3 convolution, GroupNorm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(8, outputs), nn.ReLU(inplace=True)
        )


class CandidateHead(nn.Module):
    """Feature pyramid, proposals and masks.

    Args:
        inputs: stride -> number of channels of the frozen maps of that stride; 4, 8, 16 and 32 are needed.
        width: channels of the pyramid.
        mask_width: channels of the maps that masks are drawn from.
        hidden: channels of the networks that draw masks.
        boxes_given: whether a detector's box distances join the maps, from which the boxes start.
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
        self.width, self.mask_width, self.hidden, self.boxes_given = width, mask_width, hidden, boxes_given
        self.lateral = nn.ModuleDict({str(s): nn.Conv2d(inputs[s], width, 1) for s in STRIDES})
        self.smooth = nn.ModuleDict({str(s): _Smooth(width, width) for s in STRIDES})
        self.tower = nn.Sequential(_Smooth(width, width), _Smooth(width, width))
        self.kernel_tower = nn.Sequential(_Smooth(width, width), _Smooth(width, width))
        self.shapes = [(hidden, mask_width + 2), (hidden, hidden), (1, hidden)]
        count = sum(o * i + o for o, i in self.shapes)
        self.objectness = nn.Conv2d(width, 1, 3, padding=1)
        self.box = nn.Conv2d(width, 4, 3, padding=1)
        self.kernel = nn.Conv2d(width, count, 3, padding=1)
        self.level_scale = nn.Parameter(torch.ones(len(STRIDES)))
        half = 48
        self.mask_coarse = _Smooth(width, half)
        self.mask_fine = nn.Conv2d(inputs[4], half, 1)
        self.mask_out = nn.Sequential(_Smooth(half, half), nn.Conv2d(half, mask_width, 1))
        nn.init.normal_(self.objectness.weight, std=0.01)
        nn.init.constant_(self.objectness.bias, -3.5)  # type: ignore[arg-type]
        nn.init.normal_(self.box.weight, std=0.001)
        nn.init.constant_(self.box.bias, 0.0 if boxes_given else 1.0)  # type: ignore[arg-type]
        nn.init.normal_(self.kernel.weight, std=0.01)

    def forward(self, maps: Mapping[int, Tensor], distances: Mapping[int, Tensor] | None = None) -> Proposals:
        """Propose.

        Args:
            maps: stride -> (N, C, H/stride, W/stride), frozen.
            distances: stride -> (N, 4, H/stride, W/stride) distances in pixels from each position to the left, top,
                right and bottom of a box that a detector sees there.
        """
        levels: dict[int, Tensor] = {}
        above: Tensor | None = None
        for stride in reversed(STRIDES):
            x = self.lateral[str(stride)](maps[stride])
            if above is not None:
                x = x + F.interpolate(above, size=x.shape[-2:], mode="nearest")
            above = x
            levels[stride] = self.smooth[str(stride)](x)
        parts = []
        for k, stride in enumerate(STRIDES):
            x = levels[stride]
            tower, kernels = self.tower(x), self.kernel_tower(x)
            objectness, log = self.objectness(tower).float(), self.box(tower).float() * self.level_scale[k]
            if distances is not None and self.boxes_given:
                log = log + (distances[stride].float() / stride).clamp(min=0.05).log()
            reach = log.clamp(-LARGEST_LOG, LARGEST_LOG).exp() * stride
            height, width = x.shape[-2:]
            y, z = torch.meshgrid(
                (torch.arange(height, device=x.device) + 0.5) * stride,
                (torch.arange(width, device=x.device) + 0.5) * stride,
                indexing="ij",
            )
            centres = torch.stack([z, y], -1).flatten(0, 1)
            flat = reach.flatten(2).transpose(1, 2)
            boxes = torch.cat([centres - flat[..., :2], centres + flat[..., 2:]], -1)
            parts.append(
                (
                    objectness.flatten(1),
                    boxes,
                    self.kernel(kernels).flatten(2).transpose(1, 2),
                    tower.flatten(2).transpose(1, 2),
                    centres,
                    torch.full((height * width,), float(stride), device=x.device),
                )
            )
        fine = self.mask_fine(maps[MASK_STRIDE])
        coarse = self.mask_coarse(levels[8])
        mask_features = self.mask_out(fine + F.interpolate(coarse, fine.shape[-2:], mode="bilinear"))
        objectness, boxes, weights, features = (torch.cat([part[i] for part in parts], 1) for i in range(4))
        centres, strides = (torch.cat([part[i] for part in parts]) for i in (4, 5))
        return Proposals(objectness, boxes, weights, features, centres, strides, mask_features)

    def draw(self, mask_features: Tensor, weights: Tensor, boxes: Tensor) -> Tensor:
        """Draw the masks of proposals of one frame.

        Args:
            mask_features: (M, h, w).
            weights: (K, D).
            boxes: (K, 4) in pixels.

        Returns:
            (K, h, w) logits, float32.
        """
        weights, mask_features = weights.float(), mask_features.float()
        count, (height, width) = len(weights), mask_features.shape[-2:]
        grid_x = (torch.arange(width, device=weights.device) + 0.5) * MASK_STRIDE
        grid_y = (torch.arange(height, device=weights.device) + 0.5) * MASK_STRIDE
        centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=1.0)
        x = ((grid_x - centre[:, :1]) / size[:, :1]).clamp(-4, 4)
        y = ((grid_y - centre[:, 1:]) / size[:, 1:]).clamp(-4, 4)
        places = torch.stack([x[:, None].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], 1).flatten(2)
        features = mask_features.flatten(1)
        at = 0
        out: Tensor | None = None
        for layer, (outputs, inputs) in enumerate(self.shapes):
            weight = weights[:, at : at + outputs * inputs].view(count, outputs, inputs)
            at += outputs * inputs
            bias = weights[:, at : at + outputs, None]
            at += outputs
            if layer == 0:
                # The maps are shared, only the coordinates differ between the candidates.
                shared = weight[..., : self.mask_width].flatten(0, 1) @ features.to(weight.dtype)
                out = shared.view(count, outputs, -1) + weight[..., self.mask_width :] @ places.to(weight.dtype) + bias
            else:
                assert out is not None
                out = torch.baddbmm(bias, weight, out)
            if layer < len(self.shapes) - 1:
                out = F.relu(out, inplace=True)
        assert out is not None
        return out[:, 0].view(count, height, width).float()

    def select(self, proposals: Proposals, frame: int, count: int = 24, overlap: float = 0.65) -> Candidates:
        """The surest proposals of a frame that do not repeat each other, as candidates with masks."""
        scores = proposals.objectness[frame].sigmoid()
        top = scores.topk(min(4 * count, len(scores)))
        kept = distinct(box_overlaps(proposals.boxes[frame, top.indices]), overlap)[: 2 * count]
        positions = top.indices[kept]
        boxes, weights = proposals.boxes[frame, positions], proposals.weights[frame, positions]
        logits = self.draw(proposals.mask_features[frame], weights, boxes)
        kept = distinct(mask_overlaps(logits > 0), overlap)[:count]
        positions = positions[kept]
        return Candidates(
            positions, scores[positions], boxes[kept], logits[kept], proposals.features[frame, positions].float()
        )


def distinct(overlaps: Tensor, limit: float) -> Tensor:
    """Indices that stay when each one removes the later ones that it overlaps by more than the limit."""
    repeats = (overlaps > limit).cpu().numpy()
    alive = [True] * len(repeats)
    kept = []
    for i in range(len(repeats)):
        if alive[i]:
            kept.append(i)
            for j in repeats[i].nonzero()[0]:
                alive[j] = False
    return torch.tensor(kept, dtype=torch.int64, device=overlaps.device)


def box_overlaps(boxes: Tensor, others: Tensor | None = None) -> Tensor:
    """Intersection over union of boxes (A, 4) and (B, 4): (A, B)."""
    others = boxes if others is None else others
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = (high - low).clamp(min=0).prod(-1)
    first = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(-1)
    second = (others[:, 2:] - others[:, :2]).clamp(min=0).prod(-1)
    return both / (first[:, None] + second[None] - both).clamp(min=1e-6)


def mask_overlaps(masks: Tensor, others: Tensor | None = None) -> Tensor:
    """Intersection over union of masks (A, h, w) and (B, h, w) bool: (A, B)."""
    first = masks.flatten(1).float()
    second = first if others is None else others.flatten(1).float()
    both = first @ second.T
    return both / (first.sum(1)[:, None] + second.sum(1)[None] - both).clamp(min=1.0)
