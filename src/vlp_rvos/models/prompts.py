"""Temporal-aware prompt tuning: the learned tokens that adapt the frozen towers to video.

`docs/method.md` section 1. Marks: [P] from the paper, [O] from the authors' release, [D] decided here. Shapes: B batch,
T frames, T' frames of the previous clip, N patches, n prompt tokens of one kind, L tokens of a sequence, d_v / d_t
widths of the vision and text towers, L_v / L_t their depths, d width of the trained modules.
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
    "PromptModule",
    "Prompts",
    "SharedTemporalCapture",
    "TemporalCapture",
    "TemporalPositions",
]

KINDS = ("language", "vision", "temporal")


class PromptModule(nn.Module):
    """Base class of the modules whose parameters make or place prompts; they have a learning rate of their own [O]."""


@dataclass
class Prompts:
    """The prompt tokens of both towers, a separate set for every layer.

    Attributes:
        language: (L_t, n, d_t) tokens for each text layer.
        vision: (L_v, n, d_v) tokens for each vision layer, the same in every frame.
        temporal: (L_v, n, d_v) tokens for each vision layer, which every frame adds to its temporal prompts.
    """

    language: Tensor
    vision: Tensor
    temporal: Tensor


class PromptEncoder(PromptModule):
    """Makes the language, vision and temporal prompts together, so that they inform each other [P].

    Each tower layer has learned tokens of all three kinds. They attend to each other in one small transformer encoder
    ([O]: 2 layers, width 384), then a linear map per kind brings them to the tower's width. All tower layers share the
    encoder and the maps [D].

    Args:
        config: number of tokens of each kind, and the size of the encoder.
        vision_layers: depth L_v of the vision tower.
        text_layers: depth L_t of the text tower.
        vision_width: width d_v of the vision tower.
        text_width: width d_t of the text tower.
    """

    def __init__(
        self, config: ModelConfig, vision_layers: int, text_layers: int, vision_width: int, text_width: int
    ) -> None:
        super().__init__()
        self.depths = (text_layers, vision_layers, vision_layers)
        self.widths = (text_width, vision_width, vision_width)
        self.counts = (config.language_prompts, config.vision_prompts, config.temporal_prompts)
        width = config.prompt_width
        # A parameter for each kind, so that a trained model can run with one kind switched off.
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
        """The prompts of every layer of both towers; without any prompts in the config, empty tensors on the CPU."""
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


class TemporalPositions(PromptModule):
    """Learned position embeddings that tell the frames of a clip apart [P; exact form D].

    Args:
        clip_length: number of frames of a training clip; the table has one row for each.
        width: width d_v of the vision tower.
    """

    def __init__(self, clip_length: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(0.02 * torch.randn(clip_length, width))

    def forward(self, frames: int) -> Tensor:
        """(T, d_v): the first T rows; for a clip longer than the table, its rows interpolated linearly to T."""
        if frames <= len(self.table):
            return self.table[:frames]
        return F.interpolate(self.table.T[None], size=frames, mode="linear", align_corners=True)[0].T


def _finished(block: Block, temporal: Tensor, heads: Tensor) -> Tensor:
    """The rest of a layer after attention (B, heads, T*n, d_v/heads), for temporal prompts (B, T, n, d_v)."""
    x = temporal + block.project_out(heads).unflatten(1, temporal.shape[1:3])
    return x + block.mlp(block.norm2(x))  # type: ignore[no-any-return]


class TemporalCapture(nn.Module):
    """Parameter-reusing temporal capture [P; exact form D]: a frozen layer is used a second time, across the frames.

    The temporal prompts of all frames are the queries. Keys and values are the temporal, CLS and patch tokens of all
    frames, each with the learned position embedding of its frame. Norms, attention and MLP are those of the frozen
    layer, so this module has no weights.

    There are few queries and many tokens. Projecting all tokens to keys and values is therefore avoided: the queries
    are multiplied with the key weights, and the gathered tokens with the value weights. The result is the same at a
    third of the cost. The key bias can be left out, because it shifts all logits of a query alike; the value bias can
    be added at the end, because attention weights sum to 1.
    """

    def forward(self, block: Block, temporal: Tensor, frame_tokens: Tensor, positions: Tensor) -> Tensor:
        """Update the temporal prompts after a vision layer.

        Args:
            block: the vision layer, with pre-norm.
            temporal: (B, T, n, d_v) temporal prompts after this layer.
            frame_tokens: (B, T, 1 + N, d_v) CLS and patch tokens after this layer.
            positions: (T, d_v) position embeddings of the frames.

        Returns:
            (B, T, n, d_v).
        """
        batch, frames, count, width = temporal.shape
        tokens = torch.cat([temporal, frame_tokens], 2) + positions[:, None]
        normed = block.norm1(tokens)
        q = block.project_q(normed[:, :, :count].flatten(1, 2))

        weights = block.qkv.weight.unflatten(0, (3, block.heads, -1))
        folded_q = torch.einsum("bhqe,hed->bhqd", q, weights[1]).flatten(1, 2)
        of_clip = normed.flatten(1, 2)[:, None]
        gathered = attend(folded_q[:, None], of_clip, of_clip, scale=q.shape[-1] ** -0.5)
        gathered = gathered.view(batch, block.heads, frames * count, width)
        heads = torch.einsum("bhqd,hed->bhqe", gathered, weights[2])
        heads = heads + block.qkv.bias.unflatten(0, (3, block.heads, 1, -1))[2]

        return _finished(block, temporal, heads)


class SharedTemporalCapture(nn.Module):
    """Temporal capture that reuses the keys and values of the layer's self-attention [D].

    Only the temporal prompts pass through the layer a second time. The keys and values are those of all tokens of all
    frames as they entered the layer. The position embedding of a frame goes through the key projection, and its product
    with the query is added to the logits of the frame's tokens.
    """

    def forward(self, block: Block, temporal: Tensor, keys: Tensor, values: Tensor, positions: Tensor) -> Tensor:
        """Update the temporal prompts after a vision layer.

        Args:
            block: the vision layer, with pre-norm.
            temporal: (B, T, n, d_v) temporal prompts after this layer.
            keys: (B*T, heads, L, d_v/heads) keys of the frames' tokens, from `Block.project_qkv`.
            values: (B*T, heads, L, d_v/heads) values of the frames' tokens, from `Block.project_qkv`.
            positions: (T, d_v) position embeddings of the frames.

        Returns:
            (B, T, n, d_v).
        """
        batch, frames, _, width = temporal.shape
        q = block.project_q(block.norm1(temporal + positions[:, None]).flatten(1, 2))
        k, v = (x.unflatten(0, (batch, frames)).transpose(1, 2).flatten(2, 3) for x in (keys, values))
        of_frames = F.linear(positions.to(q), block.qkv.weight[width : 2 * width].to(q))
        of_frames = of_frames.unflatten(-1, (block.heads, -1)).transpose(0, 1)
        # All tokens of a frame have the same bias. `expand`, because an exported `repeat` would fix the number of
        # tokens.
        bias = q @ of_frames.mT * q.shape[-1] ** -0.5
        bias = bias[..., None].expand(*bias.shape, keys.shape[2]).flatten(-2)
        return _finished(block, temporal, attend(q, k, v, bias.to(q.dtype)))


class HistoryPrompts(PromptModule):
    """The previous clip's features under its predicted masks, as prompts of every frame [P; exact form D].

    Args:
        width: width d of the history features.
        vision_width: width d_v of the vision tower.
    """

    def __init__(self, width: int, vision_width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, vision_width)
        self.no_history = nn.Parameter(0.02 * torch.randn(1, 1, vision_width))

    def forward(self, history: Tensor | None, batch: int) -> Tensor:
        """The history prompts of B expressions.

        Args:
            history: (B, T', d) pooled features of the previous clip's frames; None for the first clip of a video.
            batch: number of expressions B.

        Returns:
            (B, T', d_v), or the learned "no history" token (B, 1, d_v).
        """
        if history is None:
            return self.no_history.expand(batch, -1, -1)
        return self.projection(history)  # type: ignore[no-any-return]
