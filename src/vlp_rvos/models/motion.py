"""Motion of the patches: their displacement between frames, found by comparing frozen correspondence features.

`docs/method.md` section 1; the paper does not have this part. Shapes: V videos, T frames, N = h*w patches, C channels
of the correspondence features, d width of the trained modules.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MotionFeatures", "patch_offsets", "patch_velocities"]

#: distance of the two frames that are compared
FRAME_GAP = 2
#: maximum displacement of a patch between these two frames, in patches
MAX_DISPLACEMENT = 6
#: temperature of the softmax over the cosine similarities
TEMPERATURE = 0.05
#: brings typical velocities, a few hundredths of the image a frame, to about 1
VELOCITY_SCALE = 20.0


def patch_offsets(grid: tuple[int, int], device: torch.device) -> Tensor:
    """(N, N, 2): x and y offsets from each patch of a grid (h, w) to every other one, in patches."""
    places = torch.cartesian_prod(*(torch.arange(side, device=device) for side in grid)).flip(-1).float()
    return places[None] - places[:, None]


def patch_velocities(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """How far the content of every patch moves per frame.

    A patch is compared with the patches around its place in a later and in an earlier frame. Its displacement to each
    of the two frames is the mean of the offsets, weighted by the softmax of the cosine similarities. At the ends of the
    clip the missing frame is replaced by the first or the last one.

    Args:
        features: (V, T, N, C) correspondence features, see `FrameTokens`.
        grid: (h, w) patches of a frame.

    Returns:
        (V, T, N, 2) x and y velocities, as fractions of the image's width and height per frame; 0 for a clip of one
        frame.
    """
    length, device = features.shape[1], features.device
    features = features.float()
    # What all patches have in common does not help to tell them apart.
    features = features - features.mean((1, 2), keepdim=True)
    unit = F.normalize(features / (features.square().mean((1, 2), keepdim=True).sqrt() + 1e-6), dim=-1)

    offsets = patch_offsets(grid, device)
    too_far = offsets.abs().amax(-1) > MAX_DISPLACEMENT

    def displacement(other: Tensor) -> Tensor:
        """(V, T, N, 2) displacement of each patch from its own frame to the other one, in patches."""
        similarity = unit @ unit[:, other].transpose(-1, -2) / TEMPERATURE
        weights = similarity.masked_fill(too_far, float("-inf")).softmax(-1)
        return torch.stack([(weights * offsets[..., axis].to(weights)).sum(-1) for axis in (0, 1)], -1)

    time = torch.arange(length, device=device)
    later, earlier = (time + FRAME_GAP).clamp(max=length - 1), (time - FRAME_GAP).clamp(min=0)
    frames = (later - earlier).clamp(min=1)[:, None, None]
    return (displacement(later) - displacement(earlier)) / frames / torch.tensor([grid[1], grid[0]], device=device)


class MotionFeatures(nn.Module):
    """Tokens made from the velocities of the patches, both absolute and relative to the camera's motion.

    The last layer starts at 0, so that the patches they are added to start unchanged.

    Args:
        width: token width d.
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
            velocities = VELOCITY_SCALE * patch_velocities(features, grid)
            # The median over the patches stands for the camera. It is taken by sorting, as `median` cannot be exported.
            camera = velocities.sort(2).values[:, :, velocities.shape[2] // 2, None]
            both = torch.cat([velocities, velocities - camera], -1)
        return self.leave(F.gelu(self.enter(both.to(self.enter.weight.dtype))))  # type: ignore[no-any-return]
