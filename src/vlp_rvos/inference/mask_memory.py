"""Carry the masks of earlier clips along with the video, so that masks flicker less. In inference only. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks, and this memory in section 4. Shapes: E expressions,
T frames of a clip, K stored frames, (h, w) patch grid of N = h*w patches, C channels of the correspondence features,
(H, W) network input size in pixels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.motion import patch_offsets

__all__ = ["MaskMemory"]

#: Maximum displacement of an object between a stored frame and the current one, in patches.
MAX_DISPLACEMENT = 8
#: Stored logits are clamped to this absolute value: beyond it they carry no more information.
MAX_LOGIT = 4.0
#: A patch whose best cosine similarity is below this has no match in the stored frame; a frame whose mean best
#: similarity is below it shows another shot. Frames of one video up to a second apart have means of 0.46 to 0.94,
#: frames of different videos at most 0.40.
MIN_SIMILARITY = 0.42
#: Name, among the tensors of a state, of the number of frames since the last stored one and the patch grid.
COUNTERS = "counters"


class _StoredFrame(NamedTuple):
    """A frame of an earlier clip."""

    features: Tensor
    """(N, C) correspondence features of length 1."""
    logits: Tensor
    """(E, N) mask logits on the patch grid, already averaged with what was stored before."""
    presences: Tensor
    """(E,) probabilities that the target is in the frame."""

    def resized(self, old: tuple[int, int], new: tuple[int, int]) -> _StoredFrame:
        """The same frame on another patch grid (h, w)."""

        def resize(maps: Tensor) -> Tensor:
            return F.interpolate(maps.view(1, -1, *old), new, mode="bilinear", align_corners=False)[0].flatten(1)

        features = F.normalize(resize(self.features.T.contiguous()).T, dim=-1)
        return _StoredFrame(features, resize(self.logits), self.presences)


class MaskMemory:
    """Stores the last frame of each of the last clips with its masks, and averages new masks with them.

    Every patch of a new frame is matched to a patch of each stored frame, by features that do not depend on its place.
    The mean of its own logit and of the stored logits of its matches decides whether the patch belongs to the mask; the
    fine outline stays that of the new frame. A stored frame counts in proportion to the presence that was predicted for
    it. It does not count for patches that have no match in it, so that objects that enter later are not suppressed.

    Args:
        frames: number of stored frames.
        weight: weight of a stored frame; the new frame itself has weight 1.
        gap: minimum number of frames between two stored ones.

    Raises:
        ValueError: an argument is not positive.
    """

    def __init__(self, frames: int, weight: float, gap: int) -> None:
        if min(frames, weight, gap) <= 0:
            raise ValueError(f"frames {frames}, weight {weight} and gap {gap} must be positive")
        self.weight, self.gap = weight, gap
        self._stored: deque[_StoredFrame] = deque(maxlen=frames)
        self._frames_since = 0
        self._grid = (0, 0)

    def __len__(self) -> int:
        """Number of frames that are stored now."""
        return len(self._stored)

    def refine(self, logits: Tensor, presences: Tensor, features: Tensor) -> Tensor:
        """Average the masks of the next clip with the stored ones; then store the clip's last frame too.

        Args:
            logits: (E, T, H, W) float32 mask logits.
            presences: (E, T) probabilities that the target is in the frame.
            features: (T, h, w, C) correspondence features, see `ClipPrediction`.

        Returns:
            (E, T, H, W) mask logits.
        """
        grid = (features.shape[1], features.shape[2])
        unit = _normalized(features)
        own = F.interpolate(logits.clamp(-MAX_LOGIT, MAX_LOGIT), size=grid, mode="area").flatten(2)
        if grid != self._grid:
            self._stored = deque((frame.resized(self._grid, grid) for frame in self._stored), self._stored.maxlen)
            self._grid = grid
        mean = own
        if self._stored:
            too_far = patch_offsets(grid, unit.device).abs().amax(-1) > MAX_DISPLACEMENT
            mean = torch.stack([self._averaged(own[:, t], unit[t], too_far) for t in range(len(unit))], 1)
            change = (mean - own).view(*own.shape[:2], *grid)
            logits = logits + F.interpolate(change, size=logits.shape[-2:], mode="bilinear", align_corners=False)
        self._frames_since += len(unit)
        if self._frames_since >= self.gap or not self._stored:
            self._frames_since = 0
            self._stored.append(_StoredFrame(unit[-1], mean[:, -1], presences[:, -1].to(mean)))
        return logits

    def state(self) -> dict[str, Tensor]:
        """What is stored, as named tensors on the CPU."""
        stored = {
            f"{number}.{name}": tensor.to("cpu").contiguous()
            for number, frame in enumerate(self._stored)
            for name, tensor in frame._asdict().items()
        }
        return stored | {COUNTERS: torch.tensor([self._frames_since, *self._grid])}

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Store what `state` gave, on a device.

        Raises:
            ValueError: it is not the state of such a memory.
        """
        fields = _StoredFrame._fields
        frames, rest = divmod(len(state) - 1, len(fields))
        names = {f"{number}.{name}" for number in range(frames) for name in fields} | {COUNTERS}
        if rest or state.keys() != names or state[COUNTERS].shape != (3,):
            raise ValueError(f"a memory of tensors {', '.join(sorted(state))}")
        self._frames_since, *grid = state[COUNTERS].tolist()
        self._grid = grid[0], grid[1]
        kept = ([state[f"{number}.{name}"].to(device) for name in fields] for number in range(frames))
        self._stored = deque((_StoredFrame(*tensors) for tensors in kept), self._stored.maxlen)

    def _averaged(self, own: Tensor, unit: Tensor, too_far: Tensor) -> Tensor:
        """Logits (E, N) and features (N, C) of one frame -> its logits (E, N), averaged with the stored ones."""
        features, logits, presences = zip(*self._stored, strict=True)
        similarities = (unit @ torch.cat(features).T).view(len(unit), len(features), -1)
        best, match = similarities.masked_fill_(too_far[:, None], float("-inf")).max(-1)
        matched = ((best >= MIN_SIMILARITY) & (best.mean(0) >= MIN_SIMILARITY)).to(own)
        # (K, E, N): the stored logits of the patches' matches.
        stored = torch.stack([frame[:, patches] for frame, patches in zip(logits, match.T, strict=True)])
        weights = self.weight * matched.T[:, None] * torch.stack(presences)[..., None]
        return (own + (weights * stored).sum(0)) / (1 + weights.sum(0))


def _normalized(features: Tensor) -> Tensor:
    """(T, h, w, C) -> (T, N, C) features of length 1, after their mean over each frame is subtracted."""
    tokens = features.flatten(1, 2).float()
    return F.normalize(tokens - tokens.mean(1, keepdim=True), dim=-1)
