"""Where each patch goes: displacements between frames, read off features that are frozen and know no places.

`docs/method.md` section 1 [D]. Shapes: V videos, T frames, N = h*w patches, C channels of the matched features, d
width of what is trained.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MotionFeatures", "patch_steps", "patch_velocities"]

#: frames between the two that are compared
GAP = 2
#: patches that a thing may move in that time, at most
REACH = 6
TEMPERATURE = 0.05
#: makes usual velocities, a few hundredths of the picture a frame, numbers of about 1
SCALE = 20.0


def patch_steps(grid: tuple[int, int], device: torch.device) -> Tensor:
    """(N, N, 2): x and y from the place of one patch of a grid (h, w) to that of another, in patches."""
    places = torch.cartesian_prod(*(torch.arange(side, device=device) for side in grid)).flip(-1).float()
    return places[None] - places[:, None]


def patch_velocities(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """How far the content of every patch moves in a frame.

    A patch is compared with the patches around its place in a later and in an earlier frame; the softmax of their
    cosines weighs how far they are away. At the ends of the clip one side is missing and the other decides.

    Args:
        features: (V, T, N, C) correspondence features, see `FrameTokens`.
        grid: (h, w).

    Returns:
        (V, T, N, 2): x and y in shares of the picture's width and height a frame; 0 where the clip has one frame.
    """
    length, device = features.shape[1], features.device
    features = features.float()
    # What all places share says nothing about which is which.
    features = features - features.mean((1, 2), keepdim=True)
    unit = F.normalize(features / (features.square().mean((1, 2), keepdim=True).sqrt() + 1e-6), dim=-1)

    steps = patch_steps(grid, device)
    too_far = steps.abs().amax(-1) > REACH

    def moved(other: Tensor) -> Tensor:
        """(V, T, N, 2) patches that the content of each patch moves from its own frame to the other."""
        likeness = unit @ unit[:, other].transpose(-1, -2) / TEMPERATURE
        weights = likeness.masked_fill(too_far, float("-inf")).softmax(-1)
        return torch.stack([(weights * steps[..., axis].to(weights)).sum(-1) for axis in (0, 1)], -1)

    time = torch.arange(length, device=device)
    later, earlier = (time + GAP).clamp(max=length - 1), (time - GAP).clamp(min=0)
    frames = (later - earlier).clamp(min=1)[:, None, None]
    return (moved(later) - moved(earlier)) / frames / torch.tensor([grid[1], grid[0]], device=device)


class MotionFeatures(nn.Module):
    """Velocities of the patches, absolute and relative to what most of the picture does, as tokens.

    The last layer starts at 0: at first nothing is added to what they join.

    Args:
        width: d.
        hidden: width between the two layers.
    """

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(4, hidden), nn.Linear(hidden, width)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, features: Tensor, grid: tuple[int, int]) -> Tensor:
        """(V, T, N, C) correspondence features -> (V, T, N, d)."""
        with torch.no_grad():
            velocities = SCALE * patch_velocities(features, grid)
            # The median over the patches; `median` itself cannot be exported.
            camera = velocities.sort(2).values[:, :, velocities.shape[2] // 2, None]
            seen = torch.cat([velocities, velocities - camera], -1)
        return self.leave(F.gelu(self.enter(seen.to(self.enter.weight.dtype))))  # type: ignore[no-any-return]
