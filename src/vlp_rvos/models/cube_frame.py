"""Cube-frame attention: half of the heads attend within a frame, the other half within a cube that spans all frames.

`docs/method.md` section 3. Marks: [P] from the paper, [D] decided here. Shapes: B batch, T frames, N = h*w patches, c
side of a cube in patches, W cubes, L tokens of a sequence, d width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.attention import attend
from vlp_rvos.models.model_config import AttentionKind

__all__ = ["CubeFrameAttention"]


class CubeFrameAttention(nn.Module):
    """Self-attention over the tokens of a clip, at a cost of `O(T N^2 + T^2 N c^2)` instead of `O((T N)^2)` [P].

    Both kinds of heads share one qkv projection and one output projection [D]:

    - A frame head attends to all N tokens of its own frame.
    - A cube head attends to the T x c x c tokens at the same place in all frames. Its logits have a learned 3-D
      relative position bias. A shifted layer moves the grid of cubes by half a cube. Cubes at the border are padded;
      padding is masked out.

    Args:
        width: token width d, divisible by `heads`.
        heads: number of attention heads; even for "cube_frame".
        cube_size: side c of a cube, in patches.
        clip_length: number of frames whose time offsets have a bias entry each. A larger offset uses the outermost
            entry.
        kind: which tokens the heads attend to: "cube_frame" splits the heads, "cube" and "frame" use one kind for all
            heads, "full" attends to all T*N tokens. The last three are for ablations.
        shifted: move the grid of cubes by c // 2 patches.

    Raises:
        ValueError: `width` is not divisible by `heads`, or the heads cannot be split in two halves.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        cube_size: int,
        clip_length: int,
        kind: AttentionKind = "cube_frame",
        *,
        shifted: bool = False,
    ) -> None:
        super().__init__()
        if width % heads or (kind == "cube_frame" and heads % 2):
            raise ValueError(f"{heads} heads: they must divide width {width}, and be even for cube_frame attention")
        self.heads, self.cube_size, self.clip_length, self.kind = heads, cube_size, clip_length, kind
        self.shift = cube_size // 2 if shifted else 0
        self.cube_heads = {"cube_frame": heads // 2, "cube": heads}.get(kind, 0)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        if self.cube_heads:
            offsets = (2 * clip_length - 1, 2 * cube_size - 1, 2 * cube_size - 1)
            self.position_bias = nn.Parameter(0.02 * torch.randn(*offsets, self.cube_heads))

    def forward(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """Attend; the caller adds the residual.

        Args:
            x: (B, T, N, d) tokens.
            grid: (h, w) patches of a frame, N = h*w.

        Returns:
            (B, T, N, d).
        """
        batch, length, _, width = x.shape
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, width // self.heads))
        frame_heads = self.heads - self.cube_heads
        outputs = []
        if self.kind == "full":
            outputs.append(self._attend_inside(qkv.flatten(1, 2)).unflatten(1, (length, -1)))
        elif frame_heads:
            of_frames = self._attend_inside(qkv[..., :frame_heads, :].flatten(0, 1))
            outputs.append(of_frames.unflatten(0, (batch, length)))
        if self.cube_heads:
            outputs.append(self._attend_cubes(qkv[..., frame_heads:, :], grid))
        heads = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -2)
        return self.out(heads.flatten(-2))  # type: ignore[no-any-return]

    @staticmethod
    def _attend_inside(qkv: Tensor) -> Tensor:
        """Attention within each sequence, (B, L, 3, heads, d/heads) -> (B, L, heads, d/heads)."""
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        return attend(q, k, v).transpose(1, 2)

    def _attend_cubes(self, qkv: Tensor, grid: tuple[int, int]) -> Tensor:
        """Attention within each cube, (B, T, N, 3, heads, d/heads) -> (B, T, N, heads, d/heads)."""
        batch, length, _, _, heads, channels = qkv.shape
        (height, width), c, shift = grid, self.cube_size, self.shift
        bottom, right = -(height + shift) % c, -(width + shift) % c
        rows, columns = (height + shift + bottom) // c, (width + shift + right) // c

        maps = qkv.flatten(3).unflatten(2, grid)
        maps = F.pad(maps, (0, 0, shift, right, shift, bottom))
        cubes = maps.view(batch, length, rows, c, columns, c, 3, heads, channels)
        # Cubes and heads share one axis, so that a single mask serves every sample of the batch.
        q, k, v = cubes.permute(6, 0, 2, 4, 7, 1, 3, 5, 8).reshape(
            3, batch, rows * columns * heads, length * c * c, channels
        )
        attended = attend(q, k, v, self._cube_mask(length, grid).to(q.dtype))
        attended = attended.view(batch, rows, columns, heads, length, c, c, channels)
        maps = attended.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(batch, length, rows * c, columns * c, heads, channels)
        return maps[:, :, shift : shift + height, shift : shift + width].flatten(2, 3)

    def _cube_mask(self, length: int, grid: tuple[int, int]) -> Tensor:
        """Relative position bias, -inf at padded keys: (1, W * heads, L, L) with L = T*c*c."""
        c, shift = self.cube_size, self.shift
        device = self.position_bias.device
        time = torch.arange(length, device=device)
        latest = self.clip_length - 1
        between_frames = (time[:, None] - time).clamp(-latest, latest) + latest
        place = torch.arange(c, device=device)
        between_places = place[:, None] - place + c - 1
        bias = self.position_bias[
            between_frames[:, None, None, :, None, None],
            between_places[None, :, None, None, :, None],
            between_places[None, None, :, None, None, :],
        ]
        tokens = length * c * c
        bias = bias.view(tokens, tokens, -1).permute(2, 0, 1)

        inside = torch.ones(grid, dtype=torch.bool, device=device)
        inside = F.pad(inside, (shift, -(grid[1] + shift) % c, shift, -(grid[0] + shift) % c))
        inside = inside.unflatten(1, (-1, c)).unflatten(0, (-1, c)).transpose(1, 2).reshape(-1, 1, 1, c * c)
        hidden = ~inside.repeat(1, 1, 1, length)
        return torch.where(hidden, float("-inf"), bias).flatten(0, 1)[None]
