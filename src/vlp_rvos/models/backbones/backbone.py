"""What every frozen vision-language backbone gives: its parts, because the method reuses them.

`docs/method.md` section 0. Shapes: B batch of expressions, N batch of frames, S text tokens, L tokens of one
sequence, d_v / d_t / d_s widths of the vision tower, the text tower and the shared space, (h, w) the patch grid.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.attention import attend

__all__ = ["Backbone", "Block", "FrameTokens", "TextBatch"]

Activation = Literal["gelu", "quick_gelu"]


@dataclass(frozen=True)
class TextBatch:
    """Tokenized expressions.

    Attributes:
        ids: (B, S) int64 token ids. Position 0 is the start token.
        mask: (B, S) bool, True on real tokens (start and end tokens included), False on padding.
    """

    ids: Tensor
    mask: Tensor

    def to(self, device: torch.device | str) -> TextBatch:
        return TextBatch(self.ids.to(device), self.mask.to(device))

    def __len__(self) -> int:
        return self.ids.shape[0]


@dataclass
class FrameTokens:
    """Embedded frames, ready for the first vision layer.

    Attributes:
        tokens: (N, 1 + h*w, d_v), the CLS token first, then the patches row by row.
        grid: (h, w) of the patch tokens: of the patches, or of squares of them where they are pooled.
        correspondence_features: (N, h*w, C) features of the patches without their places, by which a patch is found
            again in other frames.
        pyramid: frozen feature maps, where the backbone has them, at the stride of the patches and finer: stride ->
            (N, C, H/stride, W/stride).
    """

    tokens: Tensor
    grid: tuple[int, int]
    correspondence_features: Tensor
    pyramid: dict[int, Tensor] = field(default_factory=dict)


class Block(nn.Module):
    """One transformer layer whose parts can be used one by one.

    With `norm_first` (CLIP, VLMo, mini's vision tower) `forward` is `x + attn(norm1 x)`, then `x + mlp(norm2 x)`;
    without it (BERT-like text towers) the norms stand after the residual sums.

    Args:
        width: token width d.
        heads: attention heads; d must be divisible by it.
        mlp_width: hidden width of the MLP.
        activation: "quick_gelu" (OpenAI CLIP) or "gelu".
        layer_scale: learned per-channel factors on both branches (VLMo).
        norm_first: pre-norm or post-norm.
        eps: of both layer norms.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        mlp_width: int,
        activation: Activation = "gelu",
        *,
        layer_scale: bool = False,
        norm_first: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not divisible by {heads} heads")
        self.width, self.heads, self.activation, self.norm_first = width, heads, activation, norm_first
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.fc1 = nn.Linear(width, mlp_width)
        self.fc2 = nn.Linear(mlp_width, width)
        self.scale1 = nn.Parameter(torch.ones(width)) if layer_scale else None
        self.scale2 = nn.Parameter(torch.ones(width)) if layer_scale else None

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, L, d) -> (B, heads, L, d/heads)."""
        heads: Tensor = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return heads

    def project_qkv(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normed tokens (B, L, d) -> queries, keys, values, each (B, heads, L, d/heads)."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return self.split_heads(q), self.split_heads(k), self.split_heads(v)

    def project_q(self, x: Tensor) -> Tensor:
        """Normed tokens (B, L, d) -> queries (B, heads, L, d/heads)."""
        d = self.width
        return self.split_heads(F.linear(x, self.qkv.weight[:d], self.qkv.bias[:d]))

    def project_kv(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normed tokens (B, L, d) -> keys, values, each (B, heads, L, d/heads)."""
        d = self.width
        k, v = F.linear(x, self.qkv.weight[d:], self.qkv.bias[d:]).chunk(2, dim=-1)
        return self.split_heads(k), self.split_heads(v)

    def project_out(self, heads: Tensor) -> Tensor:
        """Head outputs (B, heads, L, d/heads) -> the attention branch (B, L, d), layer scale included."""
        x: Tensor = self.out(heads.transpose(1, 2).flatten(2))
        return x if self.scale1 is None else x * self.scale1

    def mlp(self, x: Tensor) -> Tensor:
        """Normed tokens (B, L, d) -> the MLP branch (B, L, d), layer scale included."""
        x = self.fc2(_quick_gelu(self.fc1(x)) if self.activation == "quick_gelu" else F.gelu(self.fc1(x)))
        return x if self.scale2 is None else x * self.scale2

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """The original layer.

        Args:
            x: (B, L, d) tokens.
            bias: added to the attention logits, broadcastable to (B, heads, L, L); -inf hides a key.
        """
        q, k, v = self.project_qkv(self.norm1(x) if self.norm_first else x)
        attended = x + self.project_out(attend(q, k, v, bias))
        if self.norm_first:
            return attended + self.mlp(self.norm2(attended))
        attended = self.norm1(attended)
        return self.norm2(attended + self.mlp(attended))  # type: ignore[no-any-return]


def _quick_gelu(x: Tensor) -> Tensor:
    """`x * sigmoid(1.702 x)`, written as SiLU, which is one kernel forward and one backward; may overwrite `x`."""
    if torch.is_grad_enabled():
        return F.silu(1.702 * x) / 1.702
    # The hidden features are the largest tensors of the model: without a graph they need no copies.
    return F.silu(x.mul_(1.702), inplace=True).div_(1.702)


class Backbone(nn.Module, ABC):
    """A frozen vision-language pretrained model, opened into its parts.

    Subclasses set the attributes below and implement the abstract methods. Parameters are frozen: `freeze()` is
    called by every loader, and `train()` keeps the backbone in evaluation mode.

    Attributes:
        name: what it was loaded as, for example "mini" or "clip-b16".
        patch_size: pixels per patch side (stride of the patch grid).
        pools: sides of the squares of patches that `embed_frames` can make one token of.
        size_multiple: height and width of the input must be multiples of this, whatever the pooling.
        vision_width, text_width, shared_width: d_v, d_t, d_s.
        max_words: longest expression in tokens, start and end tokens included.
        causal: whether text attention is causal.
        image_mean, image_std: of the pixel normalisation, for RGB in [0, 1].
        vision_blocks, text_blocks: the layers.
        pyramid_widths: stride -> channels of the maps of `FrameTokens.pyramid`.
        embedding_cost: of `embed_frames` on a CPU, against what the rest of a model of the same name's preset costs
            for one expression; 0 where it is little.
    """

    name: str
    patch_size: int
    pools: tuple[int, ...] = (1,)
    size_multiple: int
    vision_width: int
    text_width: int
    shared_width: int
    max_words: int
    causal: bool
    image_mean: tuple[float, float, float]
    image_std: tuple[float, float, float]
    vision_blocks: nn.ModuleList
    text_blocks: nn.ModuleList
    pyramid_widths: dict[int, int]
    embedding_cost: float = 0.0

    # --- words -----------------------------------------------------------------------------------------------------
    @abstractmethod
    def tokenize(self, expressions: Sequence[str]) -> TextBatch:
        """Expressions -> padded token ids. Too long ones are cut, with a `VLPRVOSWarning` that names them.

        Raises:
            UserError: an expression is empty or only white space.
        """

    @abstractmethod
    def embed_text(self, text: TextBatch) -> Tensor:
        """Token, position and type embeddings, (B, S, d_t)."""

    @abstractmethod
    def finish_text(self, x: Tensor) -> Tensor:
        """Final norm of the text tower, (B, S, d_t) -> (B, S, d_t)."""

    @abstractmethod
    def pool_text(self, x: Tensor, text: TextBatch) -> Tensor:
        """Finished word tokens without prompts (B, S, d_t) -> sentence feature (B, d_t)."""

    @abstractmethod
    def project_text(self, x: Tensor) -> Tensor:
        """Sentence or word features (..., d_t) -> shared space (..., d_s), not normalised."""

    def text_bias(self, mask: Tensor, layer: int = 0, prompts: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
        """Additive attention bias of a text layer: padding is hidden, and the future too where causal.

        A backbone with relative positions (VLMo) adds its bias for this layer, with 0 for every pair with a prompt.

        Args:
            mask: (B, L) bool, True on real tokens (prompts are real).
            layer: index of the layer.
            prompts: how many of the L tokens are prompts; they stand right after the start token.

        Returns:
            (B, 1 or heads, L, L), -inf on what is hidden; every row sees at least its own token.
        """
        length = mask.shape[1]
        visible = mask[:, None, None, :].expand(-1, 1, length, -1)
        if self.causal:
            visible = visible & torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
        visible = visible | torch.eye(length, dtype=torch.bool, device=mask.device)
        return torch.zeros(visible.shape, dtype=dtype, device=mask.device).masked_fill(~visible, float("-inf"))

    def encode_text(self, text: TextBatch) -> Tensor:
        """The original text tower: shared-space sentence features (B, d_s), not normalised."""
        x = self.embed_text(text)
        for layer, block in enumerate(self.text_blocks):
            x = block(x, self.text_bias(text.mask, layer))
        return self.project_text(self.pool_text(self.finish_text(x), text))

    # --- frames ----------------------------------------------------------------------------------------------------
    def normalize(self, frames: Tensor) -> Tensor:
        """RGB frames (..., 3, H, W) in [0, 1] -> what the backbone was pretrained on."""
        mean = torch.tensor(self.image_mean, dtype=frames.dtype, device=frames.device)[:, None, None]
        std = torch.tensor(self.image_std, dtype=frames.dtype, device=frames.device)[:, None, None]
        # In one pass over the pixels.
        return torch.addcmul(-mean / std, frames, 1 / std)

    @abstractmethod
    def embed_frames(self, images: Tensor, pool: int = 1) -> FrameTokens:
        """Tokens before the first layer, position embeddings interpolated.

        Args:
            images: (N, 3, H, W), normalised.
            pool: side, in patches, of the squares that become one token; one of `pools`.

        Raises:
            ValueError: H or W is not a multiple of `size_multiple`, or the backbone does not pool so.
        """

    def vision_bias(self, layer: int, grid: tuple[int, int], extra: int = 0) -> Tensor | None:
        """Relative position bias of a vision layer, (1, heads, L, L) with L = 1 + h*w + extra, or None.

        Args:
            layer: index of the layer.
            grid: (h, w) of the patches.
            extra: prompt tokens that follow the patches; their bias is 0.
        """
        return None

    @abstractmethod
    def finish_vision(self, x: Tensor) -> Tensor:
        """Final norm of the vision tower, (N, L, d_v) -> (N, L, d_v)."""

    @abstractmethod
    def project_vision(self, x: Tensor) -> Tensor:
        """Finished tokens (..., d_v) -> shared space (..., d_s), not normalised."""

    def encode_image(self, images: Tensor, pool: int = 1) -> Tensor:
        """The original vision tower, `pool` of `embed_frames`: shared-space CLS features (N, d_s), not normalised."""
        embedded = self.embed_frames(images, pool)
        x = embedded.tokens
        for layer, block in enumerate(self.vision_blocks):
            x = block(x, self.vision_bias(layer, embedded.grid))
        return self.project_vision(self.finish_vision(x)[:, 0])

    # --- frozen ----------------------------------------------------------------------------------------------------
    def freeze(self) -> Backbone:
        """Turn off gradients of every parameter and stay in evaluation mode."""
        self.requires_grad_(False)
        return self.eval()

    def train(self, mode: bool = True) -> Backbone:
        """A frozen backbone never leaves evaluation mode."""
        return super().train(False)

    def check_size(self, height: int, width: int, pool: int = 1) -> tuple[int, int]:
        """(h, w) of the tokens of an input size; raises ValueError where it, or `pool`, does not fit."""
        if pool not in self.pools:
            raise ValueError(f"{self.name} pools squares of {self.pools} patches on a side, not of {pool}")
        if height % self.size_multiple or width % self.size_multiple or min(height, width) < self.size_multiple:
            raise ValueError(
                f"input size {height}x{width} does not fit {self.name}: "
                f"both sides must be multiples of {self.size_multiple}"
            )
        return height // self.patch_size // pool, width // self.patch_size // pool
