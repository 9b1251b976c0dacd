"""Temporal-aware prompt tuning: the learned tokens that adapt the frozen towers to video.

`docs/method.md` section 1. Shapes: B batch, T frames, N patches, K prompt tokens of all kinds, d_v / d_t widths of
the vision and text towers, d width of what is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.attention import attend
from vlp_rvos.models.backbones.backbone import Block
from vlp_rvos.models.model_config import ModelConfig

__all__ = [
    "HistoryPrompts",
    "PromptEncoder",
    "Prompts",
    "SharedTemporalCapture",
    "TemporalCapture",
    "TemporalPositions",
    "masked_mean",
]

KINDS = ("language", "vision", "temporal")


@dataclass
class Prompts:
    """A fresh set of prompt tokens for every layer.

    Attributes:
        language: (L_t, n, d_t), for the text layers.
        vision: (L_v, n, d_v), for the vision layers.
        temporal: (L_v, n, d_v), for the vision layers, the same in every frame.
    """

    language: Tensor
    vision: Tensor
    temporal: Tensor


class PromptEncoder(nn.Module):
    """Language, vision and temporal prompts, made together so that they inform each other.

    Learned tokens of all kinds pass one small transformer encoder per layer of the towers ([O]: 2 layers, width 384)
    and one projection per kind, shared by the layers [D].

    Args:
        config: how many tokens of each kind, and the encoder's size.
        vision_layers: L_v.
        text_layers: L_t.
        vision_width: d_v.
        text_width: d_t.
    """

    def __init__(
        self, config: ModelConfig, vision_layers: int, text_layers: int, vision_width: int, text_width: int
    ) -> None:
        super().__init__()
        self.depths = (text_layers, vision_layers, vision_layers)
        self.widths = (text_width, vision_width, vision_width)
        self.counts = (config.language_prompts, config.vision_prompts, config.temporal_prompts)
        width = config.prompt_width
        # One parameter for each kind, so that a kind can be switched off in a trained model.
        self.tokens = nn.ParameterDict(
            {
                kind: nn.Parameter(0.2 * torch.randn(max(vision_layers, text_layers), count, width))
                for kind, count in zip(KINDS, self.counts, strict=True)
                if count
            }
        )
        if self.tokens:
            self.layers = nn.ModuleList(
                nn.TransformerEncoderLayer(
                    width, config.prompt_heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
                )
                for _ in range(config.prompt_layers)
            )
            self.norm = nn.LayerNorm(width)
        kinds = zip(self.widths, self.counts, strict=True)
        self.projections = nn.ModuleList(nn.Linear(width, out) if count else nn.Identity() for out, count in kinds)
        for projection in self.projections:
            if isinstance(projection, nn.Linear):
                nn.init.trunc_normal_(projection.weight, std=0.02)

    def forward(self) -> Prompts:
        """The prompts of every layer of both towers; on the CPU where there are none at all."""
        kinds = list(zip(self.depths, self.counts, self.widths, strict=True))
        if not self.tokens:
            return Prompts(*(torch.zeros(kind) for kind in kinds))
        x = torch.cat([self.tokens[kind] for kind in KINDS if kind in self.tokens], 1)
        for layer in self.layers:
            x = layer(x)
        tokens = self.norm(x).split(self.counts, dim=1)
        return Prompts(
            *(
                projection(own[: kind[0]]) if kind[1] else own.new_zeros(kind)
                for projection, own, kind in zip(self.projections, tokens, kinds, strict=True)
            )
        )


class TemporalPositions(nn.Module):
    """Learned embeddings that tell the frames of a clip apart.

    Args:
        clip_length: rows of the table.
        width: d_v.
    """

    def __init__(self, clip_length: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(0.02 * torch.randn(clip_length, width))

    def forward(self, frames: int) -> Tensor:
        """(T, d_v): the first T rows, or all rows stretched linearly over a clip longer than the table."""
        if frames <= len(self.table):
            return self.table[:frames]
        return F.interpolate(self.table.T[None], size=frames, mode="linear", align_corners=True)[0].T


def _finished(block: Block, temporal: Tensor, heads: Tensor) -> Tensor:
    """The rest of a layer for temporal prompts (B, T, n, d_v), after attention (B, heads, T*n, d_v/heads)."""
    x = temporal.flatten(1, 2) + block.project_out(heads)
    return (x + block.mlp(block.norm2(x))).unflatten(1, temporal.shape[1:3])  # type: ignore[no-any-return]


class TemporalCapture(nn.Module):
    """Parameter-reusing temporal capture [P; exact form D]: one frozen layer used once more, across the frames.

    The temporal prompts of all frames together are the queries; keys and values are the temporal, CLS and patch
    tokens of all frames, each with the learned position of its frame. Norms, attention and MLP are the layer's own,
    so this module has no weights.

    Instead of projecting the tokens of all frames to keys and values, the few queries are taken through the key
    weights and the few results through the value weights. That is the same sum at a third of the cost: the key bias
    shifts all logits of a query alike, and attention weights sum to one over the value bias.
    """

    def forward(self, block: Block, temporal: Tensor, frame_tokens: Tensor, positions: Tensor) -> Tensor:
        """Update the temporal prompts after a vision layer.

        Args:
            block: that layer, a pre-norm one.
            temporal: (B, T, n, d_v) temporal prompts.
            frame_tokens: (B, T, 1 + N, d_v) CLS and patches.
            positions: (T, d_v) temporal positions.

        Returns:
            (B, T, n, d_v).
        """
        batch, frames, count, width = temporal.shape
        tokens = torch.cat([temporal, frame_tokens], 2) + positions[:, None]
        normed = block.norm1(tokens)
        q = block.project_q(normed[:, :, :count].flatten(1, 2))

        weights = block.qkv.weight.unflatten(0, (3, block.heads, -1))
        folded_q = torch.einsum("bhqe,hed->bhqd", q, weights[1]).flatten(1, 2)
        everything = normed.flatten(1, 2)
        gathered = attend(folded_q[:, None], everything[:, None], everything[:, None], scale=q.shape[-1] ** -0.5)
        gathered = gathered.view(batch, block.heads, frames * count, width)
        heads = torch.einsum("bhqd,hed->bhqe", gathered, weights[2])
        heads = heads + block.qkv.bias.unflatten(0, (3, block.heads, 1, -1))[2]

        return _finished(block, temporal, heads)


class SharedTemporalCapture(nn.Module):
    """Temporal capture over the keys and values that the layer's self-attention has just computed [D].

    Only the temporal prompts themselves pass the layer once more. The keys are those of all tokens of all frames as
    they entered the layer. The position of a frame adds to the logits of its tokens what the key projection makes of
    it.
    """

    def forward(self, block: Block, temporal: Tensor, keys: Tensor, values: Tensor, positions: Tensor) -> Tensor:
        """Update the temporal prompts after a vision layer.

        Args:
            block: that layer, a pre-norm one.
            temporal: (B, T, n, d_v) temporal prompts.
            keys, values: (B*T, heads, L, d_v/heads) of the frames' tokens, from `Block.project_qkv`.
            positions: (T, d_v) temporal positions.

        Returns:
            (B, T, n, d_v).
        """
        batch, frames, _, width = temporal.shape
        q = block.project_q(block.norm1(temporal + positions[:, None]).flatten(1, 2))
        k, v = (x.unflatten(0, (batch, frames)).transpose(1, 2).flatten(2, 3) for x in (keys, values))
        of_frames = F.linear(positions.to(q), block.qkv.weight[width : 2 * width].to(q))
        of_frames = of_frames.unflatten(-1, (block.heads, -1)).transpose(0, 1)
        # The same for all tokens of a frame. Expanded, not repeated: what is exported repeats by a fixed number.
        bias = q @ of_frames.mT * q.shape[-1] ** -0.5
        bias = bias[..., None].expand(*bias.shape, keys.shape[2]).flatten(-2)
        return _finished(block, temporal, attend(q, k, v, bias.to(q.dtype)))


class HistoryPrompts(nn.Module):
    """History tokens of the previous clip as prompts of every frame [P; exact form D].

    Args:
        width: d of the history features.
        vision_width: d_v.
    """

    def __init__(self, width: int, vision_width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, vision_width)
        self.no_history = nn.Parameter(0.02 * torch.randn(1, 1, vision_width))

    def forward(self, history: Tensor | None, batch: int) -> Tensor:
        """Prompts for `batch` expressions.

        Args:
            history: (B, T', d) pooled features of the previous clip's frames, or None for the first clip.
            batch: B.

        Returns:
            (B, T', d_v), or the learned "no history" token (B, 1, d_v).
        """
        if history is None:
            return self.no_history.expand(batch, -1, -1)
        return self.projection(history)  # type: ignore[no-any-return]


def masked_mean(features: Tensor, mask_logits: Tensor) -> Tensor:
    """Features of what a soft mask covers; nearly 0 where it covers nothing, because 1 patch is added to its area.

    Args:
        features: (..., N, d).
        mask_logits: (..., N).

    Returns:
        (..., d).
    """
    weight = mask_logits.sigmoid()[..., None].to(features.dtype)
    return (weight * features).sum(-2) / (weight.sum(-2) + 1)
