"""Masks of earlier clips, carried along with the video: what flickers is outvoted by what stayed. In use only. [D]

`docs/method.md` section 4. Shapes: E expressions, T frames of a clip, K remembered frames, N = h*w patches, C channels
of the matched features, (H, W) network input size in pixels.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.motion import patch_offsets

__all__ = ["MaskMemory"]

#: patches that a thing may move between a remembered frame and this one, at most
REACH = 8
#: logits beyond it say no more
SURE = 4.0
#: a patch of which the best cosine is less is not there, and a frame of which the mean of them is less is from another
#: shot. Frames of one video up to a second apart have 0.46 to 0.94, frames of different videos at most 0.40
RELATED = 0.42


class _Frame(NamedTuple):
    """A remembered frame."""

    unit: Tensor
    """(N, C) features of length 1."""
    logits: Tensor
    """(E, N), on the patch grid, what was remembered before mixed in."""
    presences: Tensor
    """(E,)."""

    def at(self, old: tuple[int, int], new: tuple[int, int]) -> _Frame:
        """The same on another patch grid (h, w)."""

        def resized(maps: Tensor) -> Tensor:
            return F.interpolate(maps.view(1, -1, *old), new, mode="bilinear", align_corners=False)[0].flatten(1)

        unit = F.normalize(resized(self.unit.T.contiguous()).T, dim=-1)
        return _Frame(unit, resized(self.logits), self.presences)


class MaskMemory:
    """The last frame of each of the last clips, with its mask.

    Every patch of a new frame looks for itself in each remembered frame, by frozen features that know no places. What
    the mask was where it is found joins in the mean that decides whether the patch belongs to the mask now; the finer
    outline stays the new frame's own. A remembered frame counts as much as the target was said to be present in it, and
    nothing for patches that it does not have, so that what enters late is not held back.

    Args:
        frames: K, how many are remembered.
        weight: of a remembered frame, beside 1 of the frame itself.
        gap: frames between two that are remembered, at least.

    Raises:
        ValueError: no frames, or a weight or gap that is not positive.
    """

    def __init__(self, frames: int, weight: float, gap: int) -> None:
        if min(frames, weight, gap) <= 0:
            raise ValueError(f"frames {frames}, weight {weight} and gap {gap} must be positive")
        self.weight, self.gap = weight, gap
        self._past: deque[_Frame] = deque(maxlen=frames)
        self._passed = 0
        self._grid = (0, 0)

    def __len__(self) -> int:
        """How many frames are remembered."""
        return len(self._past)

    def refine(self, logits: Tensor, presences: Tensor, features: Tensor) -> Tensor:
        """Mask logits of the next clip, with what is remembered; afterwards its last frame is remembered too.

        Args:
            logits: (E, T, H, W) float32.
            presences: (E, T), probabilities that the target is in the frame.
            features: (T, h, w, C) correspondence features, see `ClipPrediction`.

        Returns:
            (E, T, H, W).
        """
        grid = (features.shape[1], features.shape[2])
        unit = _unit(features)
        own = F.interpolate(logits.clamp(-SURE, SURE), size=grid, mode="area").flatten(2)
        if grid != self._grid:
            self._past = deque((frame.at(self._grid, grid) for frame in self._past), self._past.maxlen)
            self._grid = grid
        mixed = own
        if self._past:
            too_far = patch_offsets(grid, unit.device).abs().amax(-1) > REACH
            mixed = torch.stack([self._mixed(own[:, t], unit[t], too_far) for t in range(len(unit))], 1)
            change = (mixed - own).view(*own.shape[:2], *grid)
            logits = logits + F.interpolate(change, size=logits.shape[-2:], mode="bilinear", align_corners=False)
        self._passed += len(unit)
        if self._passed >= self.gap or not self._past:
            self._passed = 0
            self._past.append(_Frame(unit[-1], mixed[:, -1], presences[:, -1].to(mixed)))
        return logits

    def _mixed(self, own: Tensor, unit: Tensor, too_far: Tensor) -> Tensor:
        """One frame: its own logits (E, N) and features (N, C) -> logits (E, N) with what is remembered."""
        units, logits, presences = zip(*self._past, strict=True)
        cosines = (unit @ torch.cat(units).T).view(len(unit), len(units), -1)
        best, found = cosines.masked_fill_(too_far[:, None], float("-inf")).max(-1)
        related = ((best >= RELATED) & (best.mean(0) >= RELATED)).to(own)
        # (K, E, N): the remembered logits of the patches that were found
        remembered = torch.stack([said[:, where] for said, where in zip(logits, found.T, strict=True)])
        weights = self.weight * related.T[:, None] * torch.stack(presences)[..., None]
        return (own + (weights * remembered).sum(0)) / (1 + weights.sum(0))


def _unit(features: Tensor) -> Tensor:
    """(T, h, w, C) -> (T, N, C) of length 1, without what all places of a frame share."""
    tokens = features.flatten(1, 2).float()
    return F.normalize(tokens - tokens.mean(1, keepdim=True), dim=-1)
