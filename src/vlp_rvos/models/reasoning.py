"""Spatial-temporal reasoning: cube-frame encoders, with decoders on the features of earlier vision layers.

`docs/method.md` sections 2.3 and 3. Marks: [P] from the paper, [D] decided here. Shapes: B batch, T frames, N = h*w
patches, S words, d width, d_v width of the vision tower.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vlp_rvos.models.cross_attention import CrossAttention
from vlp_rvos.models.cube_frame import CubeFrameAttention
from vlp_rvos.models.model_config import ModelConfig

__all__ = ["CubeFrameEncoder", "ShallowDecoder", "SpatialTemporalReasoning"]


def _mlp(width: int, ratio: float) -> nn.Sequential:
    """Pre-norm MLP; the caller adds the residual."""
    hidden = int(ratio * width)
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class CubeFrameEncoder(nn.Module):
    """A pre-norm transformer layer with cube-frame attention [P].

    Args:
        config: sizes, and the kind of attention.
        shifted: move the grid of cubes by half a cube.
    """

    def __init__(self, config: ModelConfig, *, shifted: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.attention = CubeFrameAttention(
            config.width, config.str_heads, config.cube_size, config.clip_length, config.attention, shifted=shifted
        )
        self.mlp = _mlp(config.width, config.mlp_ratio)

    def forward(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """Update tokens (B, T, N, d) of frames of `grid` (h, w) patches."""
        x = x + self.attention(self.norm(x), grid)
        return x + self.mlp(x)  # type: ignore[no-any-return]


class ShallowDecoder(nn.Module):
    """A transformer decoder layer in which the patches of an earlier vision layer attend to the words [P].

    It has no self-attention, because the vision tower has just mixed these tokens [D].

    Args:
        config: sizes.
        vision_width: width d_v of the vision tower.
    """

    def __init__(self, config: ModelConfig, vision_width: int) -> None:
        super().__init__()
        self.queries = nn.Sequential(nn.LayerNorm(vision_width), nn.Linear(vision_width, config.width))
        self.attention = CrossAttention(config.width, config.str_heads)
        self.mlp = _mlp(config.width, config.mlp_ratio)

    def forward(self, shallow: Tensor, words: Tensor, visible: Tensor | None) -> Tensor:
        """Decode.

        Args:
            shallow: (B, T, N, d_v) patch tokens after an earlier vision layer.
            words: (B, S, d) word features.
            visible: (B, S) bool, True on real words; None where all of them are.

        Returns:
            (B, T, N, d).
        """
        x = self.queries(shallow).flatten(1, 2)
        x = x + self.attention(x, words, visible)
        x = x + self.mlp(x)
        return x.unflatten(1, shallow.shape[1:3])  # type: ignore[no-any-return]

    def word_weights(self, shallow: Tensor, words: Tensor, visible: Tensor | None) -> Tensor:
        """How much each patch reads of each word, (B, T, N, S) float32, whose rows sum to 1; arguments as above."""
        weights = self.attention.weights(self.queries(shallow).flatten(1, 2), words, visible)
        return weights.unflatten(1, shallow.shape[1:3])  # type: ignore[no-any-return]


class SpatialTemporalReasoning(nn.Module):
    """`F = CubeFrameEncoder_i(F) + ShallowDecoder_i(shallow_i, words)` for each block i [P], then a norm [D].

    The grid of cubes is shifted in every other block. With `config.shallow` off there are only the encoders.

    Args:
        config: sizes and switches.
        vision_width: width d_v of the vision tower.
    """

    def __init__(self, config: ModelConfig, vision_width: int) -> None:
        super().__init__()
        blocks = range(config.str_blocks)
        self.encoders = nn.ModuleList(CubeFrameEncoder(config, shifted=bool(block % 2)) for block in blocks)
        self.decoders = nn.ModuleList(ShallowDecoder(config, vision_width) for _ in blocks if config.shallow)
        self.norm = nn.LayerNorm(config.width)

    def forward(
        self, x: Tensor, grid: tuple[int, int], shallow: Sequence[Tensor], words: Tensor | None, visible: Tensor | None
    ) -> Tensor:
        """Reason over a clip.

        Args:
            x: (B, T, N, d) fused features.
            grid: (h, w) patches of a frame.
            shallow: (B, T, N, d_v) patch tokens of an earlier vision layer for each block, the deepest layer first;
                ignored where there are no decoders.
            words: (B, S, d) word features; ignored where there are no decoders.
            visible: (B, S) bool, True on real words; None where all of them are.

        Returns:
            (B, T, N, d), after a layer norm.
        """
        for block, encoder in enumerate(self.encoders):
            encoded = encoder(x, grid)
            x = encoded + self.decoders[block](shallow[block], words, visible) if self.decoders else encoded
        return self.norm(x)  # type: ignore[no-any-return]

    def word_weights(self, shallow: Sequence[Tensor], words: Tensor | None, visible: Tensor | None) -> Tensor | None:
        """How much each patch reads of each word in the decoders, their mean; arguments as for `forward`.

        Returns:
            (B, T, N, S) float32, whose rows sum to 1; None where there are no decoders.
        """
        if not self.decoders:
            return None
        weights = [
            decoder.word_weights(patches, words, visible)  # type: ignore[operator]
            for decoder, patches in zip(self.decoders, shallow, strict=True)
        ]
        return torch.stack(weights).mean(0)
