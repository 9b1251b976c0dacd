"""Redraw a rough mask from the pixels and the frozen maps around it. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Candidates draw their masks with small networks of
their own, which lose heads, feet and whatever else does not look like the rest, and keep some of the ground. The
refinement knows no words and no kinds: it sees where a mask is, how much every position looks like what lies inside of
it and like what lies outside, and corrects it. Shapes: N frames, B things, (H, W) pixels of a frame, C channels,
(h, w) = (H/4, W/4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.convolution import Convolution, Smooth
from vlp_rvos.models.maps import halve, join_channels

__all__ = ["REFINED_STRIDES", "Refinement", "Surroundings"]

#: Strides of the frozen maps that are read.
REFINED_STRIDES = (4, 8, 16)
#: Channels of what is read of each of them, and of the features of masks there.
READ, FEATURES = (32, 48, 64), (32, 64, 64)
#: Logits are clamped to this absolute value, and divided by the other number before they enter a network.
LARGEST_LOGIT, LOGIT_SCALE = 8.0, 4.0
#: Pixels are centred on grey and multiplied by this number, so that they are as large as the frozen maps.
PIXEL_SCALE = 4.0

#: Features are taken to be at least this long where their directions are compared.
SMALLEST_LENGTH = 1e-6
#: Margin around a mask in which it is redrawn: a share of its size, and a number of positions.
MARGIN, LEAST_MARGIN = 0.25, 4

#: Left, top, right and bottom, in positions of masks.
Window: TypeAlias = tuple[int, int, int, int]
#: What is read of N frames: (N, C, h, w), (N, C, h/2, w/2) and (N, C, h/4, w/4).
Surroundings: TypeAlias = tuple[Tensor, ...]


class Refinement(nn.Module):
    """A small U-net over three strides, whose result is added to the mask; untrained, it changes nothing.

    Args:
        inputs: stride -> number of channels of the frozen maps of that stride; 4, 8 and 16 are needed.
    """

    def __init__(self, inputs: Mapping[int, int]) -> None:
        super().__init__()
        (fine, middle, coarse), (f, m, c) = READ, FEATURES
        widths = (inputs[4] + 3, inputs[8], inputs[16])
        self.readers = nn.ModuleList(Smooth(i, o, 1) for i, o in zip(widths, READ, strict=True))
        # A mask is given as a logit and a probability, and as how much positions look like its inside and outside.
        self.fine = Smooth(fine + 4, f)
        self.middle = Smooth(f + middle + 3, m)
        self.coarse = nn.Sequential(Smooth(m + coarse + 1, c), Smooth(c, c))
        self.to_middle, self.to_fine = Smooth(c + m, 48), Smooth(48 + f, 32)
        self.correction = Convolution(32, 1, 1)
        assert self.correction.bias is not None
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def read(self, frames: Tensor, maps: Mapping[int, Tensor]) -> Surroundings:
        """What all masks of the same frames share.

        Args:
            frames: (N, 3, H, W) RGB in [0, 1].
            maps: frozen maps, stride -> (N, C, H/stride, W/stride); 4, 8 and 16 are needed.
        """
        pixels = (halve(halve(frames.float())) - 0.5) * PIXEL_SCALE
        fine = join_channels(maps[4], pixels)
        of_fine, of_middle, of_coarse = self.readers
        return of_fine(fine), of_middle(maps[8]), of_coarse(maps[16])

    def forward(self, surroundings: Surroundings, logits: Tensor) -> Tensor:
        """Redraw masks.

        Args:
            surroundings: what `read` made of N frames.
            logits: (N, B, h, w) logits of B things in each frame; h and w are multiples of 4.

        Returns:
            (N, B, h, w) logits, float32. Where a mask is empty it stays so.
        """
        redrawn = logits.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        if not redrawn.shape[1]:
            return redrawn
        # One thing after the other, each in a window of its own: things are small, and windows fit into the cache.
        return torch.stack([self._redraw(surroundings, thing) for thing in redrawn.unbind(1)], 1)

    def _redraw(self, surroundings: Surroundings, logits: Tensor) -> Tensor:
        """One thing, (N, h, w)."""
        window = _window(logits)
        if window is None:
            return logits
        of_fine, of_middle, of_coarse = (_cut(x, window, 2**k) for k, x in enumerate(surroundings))
        logit = _cut(logits[:, None], window)
        inside = logit.sigmoid()
        half = halve(inside)
        quarter = halve(half)
        fine = self.fine(join_channels(of_fine, logit / LOGIT_SCALE, inside, _likeness(of_fine, inside)))
        middle = self.middle(join_channels(halve(fine), of_middle, half, _likeness(of_middle, half)))
        coarse = self.coarse(join_channels(halve(middle), of_coarse, quarter))
        middle = self.to_middle(join_channels(_enlarge(coarse), middle))
        fine = self.to_fine(join_channels(_enlarge(middle), fine))
        corrected = logit + self.correction(fine).float()
        left, top, right, bottom = window
        height, width = logits.shape[-2:]
        # The window is put back by padding and not in place, which gradients do not survive.
        around = (left, width - right, top, height - bottom)
        changes = (logit > 0).flatten(1).any(1)[:, None, None].expand(-1, bottom - top, right - left)
        return torch.where(F.pad(changes, around), F.pad(corrected[:, 0], around), logits)


def _window(logits: Tensor) -> Window | None:
    """Where masks (N, h, w) of one thing lie in any of the frames, with a margin; None where all are empty.

    Sides are multiples of 4, as those of the frame are. On the meta device, where costs are counted without values, the
    whole frame.
    """
    height, width = logits.shape[-2:]
    if logits.is_meta:
        return 0, 0, width, height
    marked = (logits > 0).any(0)
    columns, rows = (marked.any(axis).nonzero()[:, 0].tolist() for axis in (0, 1))
    if not columns:
        return None
    sides = []
    for places, size in ((columns, width), (rows, height)):
        first, last = places[0], places[-1] + 1
        margin = MARGIN * (last - first) + LEAST_MARGIN
        sides.append((max(0, int(first - margin) // 4 * 4), min(size, -(-math.ceil(last + margin) // 4) * 4)))
    (left, right), (top, bottom) = sides
    return left, top, right, bottom


def _cut(level: Tensor, window: Window, stride: int = 1) -> Tensor:
    """The part of a level (N, C, h/stride, w/stride) that lies in a window."""
    left, top, right, bottom = (side // stride for side in window)
    return level[..., top:bottom, left:right]


def _enlarge(level: Tensor) -> Tensor:
    return F.interpolate(level, scale_factor=2, mode="bilinear", align_corners=False)


def _likeness(features: Tensor, inside: Tensor) -> Tensor:
    """(N, 2, h, w): cosine of each position's features (N, C, h, w) with their mean inside and outside a mask."""
    places = features.flatten(2).transpose(1, 2)
    # The mean is that of features of length 1, but they are never written down: their lengths are much smaller.
    lengths = torch.linalg.vector_norm(features.float(), dim=1).flatten(1)[:, None].clamp(min=SMALLEST_LENGTH)
    weights = torch.cat([inside, 1 - inside], 1).flatten(2) / lengths
    means: Tensor = F.normalize((weights.to(places.dtype) @ places).float(), dim=-1)
    alike = (means.to(places.dtype) @ places.transpose(1, 2)).float() / lengths
    result: Tensor = alike.unflatten(2, features.shape[-2:])
    return result
