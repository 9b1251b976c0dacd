"""The interface of a frozen vision-language backbone, opened into the parts that the method reuses.

`docs/method.md` section 0. Shapes: B batch of expressions, N batch of frames, S text tokens, L tokens of one
sequence, d_v / d_t / d_s widths of the vision tower, the text tower and the shared space, (h, w) the patch grid.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Concatenate, Literal, ParamSpec, Self, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.attention import attend
from vlp_rvos.models.backbones.expression_tokenizer import ExpressionTokenizer, TextBatch

__all__ = ["Activation", "Backbone", "Block", "FrameTokens", "normalize_channels"]

Activation = Literal["gelu", "quick_gelu"]
Inputs = ParamSpec("Inputs")
Result = TypeVar("Result")


@dataclass
class FrameTokens:
    """Embedded frames, ready for the first vision layer.

    Attributes:
        tokens: (N, 1 + h*w, d_v), the CLS token first, then the patches row by row.
        grid: (h, w) of the patch tokens: of the patches, or of squares of them where they are pooled.
        correspondence_features: (N, h*w, C) features of the patches without their positions, by which a patch is found
            again in other frames.
        pyramid: Frozen feature maps, stride -> (N, C, H/stride, W/stride); empty where the backbone has none.
        named: (N, d_s, H/32, W/32) sentence features of the names of the classes that the backbone sees, weighted by
            their probabilities; None where it has no classes.
    """

    tokens: Tensor
    grid: tuple[int, int]
    correspondence_features: Tensor
    pyramid: dict[int, Tensor] = field(default_factory=dict)
    named: Tensor | None = None


class Block(nn.Module):
    """One transformer layer whose parts can be used one by one.

    With `norm_first` (CLIP, VLMo, mini's vision tower) `forward` is `x + attn(norm1 x)`, then `x + mlp(norm2 x)`.
    Without it (BERT-like text towers) each norm follows its residual sum.

    Args:
        width: Token width d.
        heads: Number of attention heads, a divisor of d.
        mlp_width: Hidden width of the MLP.
        activation: Activation of the MLP, "quick_gelu" (OpenAI's CLIP) or "gelu".
        layer_scale: Whether both branches have a learned factor for each channel (VLMo).
        norm_first: Whether the norms stand before the branches or after the residual sums.
        eps: Epsilon of both layer norms.

    Raises:
        ValueError: The width is not divisible by the number of heads.
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
        """Outputs of the heads (B, heads, L, d/heads) -> the attention branch (B, L, d), layer scale included."""
        x: Tensor = self.out(heads.transpose(1, 2).flatten(2))
        return x if self.scale1 is None else x * self.scale1

    def mlp(self, x: Tensor) -> Tensor:
        """Normed tokens (B, L, d) -> the MLP branch (B, L, d), layer scale included."""
        x = self.fc2(_quick_gelu(self.fc1(x)) if self.activation == "quick_gelu" else F.gelu(self.fc1(x)))
        return x if self.scale2 is None else x * self.scale2

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """The layer as it was pretrained.

        Args:
            x: (B, L, d) tokens.
            bias: Term added to the attention logits, broadcastable to (B, heads, L, L); -inf hides a key.

        Returns:
            (B, L, d) tokens.
        """
        q, k, v = self.project_qkv(self.norm1(x) if self.norm_first else x)
        attended = x + self.project_out(attend(q, k, v, bias))
        if self.norm_first:
            return attended + self.mlp(self.norm2(attended))
        attended = self.norm1(attended)
        return self.norm2(attended + self.mlp(attended))  # type: ignore[no-any-return]

    def run(
        self, use: Callable[Concatenate[Block, Inputs], Result], *inputs: Inputs.args, **named: Inputs.kwargs
    ) -> Result:
        """Call a function that uses parts of this layer one by one.

        Where the parameters are shared out between processes (`training.sharding`), this process has all of the layer's
        only during `forward` and this call, and again for the gradients.

        Args:
            use: Function that gets this layer and the other arguments. All tensors that it computes with, and that have
                gradients, have to be among them.
            inputs: Further arguments of `use`.
            named: The same, by name.

        Returns:
            What `use` returns.
        """
        return use(self, *inputs, **named)


def _quick_gelu(x: Tensor) -> Tensor:
    """`x * sigmoid(1.702 x)`. It may overwrite `x`.

    Written as SiLU, it takes one kernel forward and one backward.
    """
    if torch.is_grad_enabled():
        return F.silu(1.702 * x) / 1.702
    # The hidden features are the largest tensors of the model. Without gradients they need no copy.
    return F.silu(x.mul_(1.702), inplace=True).div_(1.702)


class Backbone(nn.Module, ABC):
    """A frozen vision-language pretrained model, opened into its parts.

    Subclasses set the attributes below and implement the abstract methods. Every loader calls `freeze()`: parameters
    have no gradients, and `train()` leaves the backbone in evaluation mode.

    Attributes:
        name: Name that the backbone was loaded by, for example "mini" or "clip-b16".
        patch_size: Side of a patch in pixels, which is the stride of the patch grid.
        pools: Side lengths, in patches, of the squares that `embed_frames` can turn into one token.
        size_multiple: Height and width of the input must be multiples of this number of pixels, whatever the pooling.
        vision_width: Token width d_v of the vision tower.
        text_width: Token width d_t of the text tower.
        shared_width: Width d_s of the space that both towers are projected into.
        max_words: Largest number of tokens of an expression, start and end token included.
        causal: Whether a text token sees only the tokens before it.
        image_mean: Mean of the pixel normalisation, for RGB in [0, 1].
        image_std: Standard deviation of the pixel normalisation, for RGB in [0, 1].
        vision_blocks: Layers of the vision tower.
        text_blocks: Layers of the text tower.
        vision_norm: Norm after the last vision layer.
        text_norm: Norm after the last text layer.
        vision_projection: Map from the vision tower into the shared space.
        text_projection: Map from the text tower into the shared space.
        word_embedding: Embedding of the token ids.
        tokenizer: Tokenizer of the expressions. None until the first `tokenize`, unless the weights came with one.
        pyramid_widths: Channels of the maps of `FrameTokens.pyramid`, by stride.
        names_classes: Whether `embed_frames` gives `FrameTokens.named`.
        embedding_cost: Time that `embed_frames` takes on a CPU, relative to the rest of the model of the preset of the
            same name for one expression. 0 where it is short.
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
    vision_norm: nn.Module
    text_norm: nn.Module
    vision_projection: nn.Module
    text_projection: nn.Module
    word_embedding: nn.Embedding
    tokenizer: ExpressionTokenizer | None = None
    pyramid_widths: dict[int, int]
    names_classes: bool = False
    embedding_cost: float = 0.0

    # --- words -----------------------------------------------------------------------------------------------------
    @abstractmethod
    def default_tokenizer(self) -> ExpressionTokenizer:
        """The tokenizer for weights that came without one.

        Raises:
            UserError: It is not installed, or the weights have another vocabulary.
        """

    def tokenize(self, expressions: Sequence[str]) -> TextBatch:
        """Expressions -> padded token ids. A long expression is cut off, with a `VLPRVOSWarning` that names it.

        Raises:
            UserError: An expression is empty or white space only, or there is no tokenizer (`default_tokenizer`).
        """
        if self.tokenizer is None:
            self.tokenizer = self.default_tokenizer()
        return self.tokenizer(expressions, self.max_words)

    @abstractmethod
    def embed_text(self, text: TextBatch) -> Tensor:
        """Sum of token, position and type embeddings, (B, S, d_t)."""

    def finish_text(self, x: Tensor) -> Tensor:
        """Final norm of the text tower, (B, S, d_t) -> (B, S, d_t)."""
        normed: Tensor = self.text_norm(x)
        return normed

    @abstractmethod
    def pool_text(self, x: Tensor, text: TextBatch) -> Tensor:
        """Finished word tokens without prompts (B, S, d_t) -> sentence feature (B, d_t)."""

    def project_text(self, x: Tensor) -> Tensor:
        """Sentence or word features (..., d_t) -> shared space (..., d_s), not normalised."""
        projected: Tensor = self.text_projection(x)
        return projected

    def text_bias(self, mask: Tensor, layer: int = 0, prompts: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
        """Additive attention bias of a text layer. It hides padding, and later tokens too where the tower is causal.

        A backbone with relative positions (VLMo) adds its bias for this layer, with 0 for every pair with a prompt.

        Args:
            mask: (B, L) bool, True for words and prompts, False for padding.
            layer: Index of the layer.
            prompts: Number of prompts among the L tokens. They stand right after the start token.
            dtype: Number format of the result.

        Returns:
            (B, 1 or heads, L, L), -inf for a hidden key. Every row sees at least its own token.
        """
        length = mask.shape[1]
        visible = mask[:, None, None, :].expand(-1, 1, length, -1)
        if self.causal:
            visible = visible & torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
        visible = visible | torch.eye(length, dtype=torch.bool, device=mask.device)
        return torch.zeros(visible.shape, dtype=dtype, device=mask.device).masked_fill(~visible, float("-inf"))

    def encode_text(self, text: TextBatch) -> Tensor:
        """The text tower as it was pretrained: sentence features (B, d_s) in the shared space, not normalised."""
        return self.project_text(self.pool_text(self.encode_words(text), text))

    def encode_words(self, text: TextBatch) -> Tensor:
        """The text tower as it was pretrained: output tokens (B, S, d_t)."""
        x = self.embed_text(text)
        for layer, block in enumerate(self.text_blocks):
            x = block(x, self.text_bias(text.mask, layer))
        return self.finish_text(x)

    # --- frames ----------------------------------------------------------------------------------------------------
    def normalize(self, frames: Tensor) -> Tensor:
        """RGB frames (..., 3, H, W) in [0, 1] -> the range of values that the backbone was pretrained on."""
        return normalize_channels(frames, self.image_mean, self.image_std)

    @abstractmethod
    def embed_frames(self, images: Tensor, pool: int = 1) -> FrameTokens:
        """Tokens before the first layer. Position embeddings are interpolated to the size of the input.

        Args:
            images: (N, 3, H, W) frames after `normalize`.
            pool: Side, in patches, of the squares that become one token; one of `pools`.

        Raises:
            ValueError: H or W is not a multiple of `size_multiple`, or `pool` is not one of `pools`.
        """

    def vision_bias(self, layer: int, grid: tuple[int, int], extra: int = 0) -> Tensor | None:
        """Relative position bias of a vision layer, (1, heads, L, L) with L = 1 + h*w + extra, or None.

        Args:
            layer: Index of the layer.
            grid: (h, w) of the patch tokens.
            extra: Number of prompt tokens that follow the patches. Their bias is 0.
        """
        return None

    def finish_vision(self, x: Tensor) -> Tensor:
        """Final norm of the vision tower, (N, L, d_v) -> (N, L, d_v)."""
        normed: Tensor = self.vision_norm(x)
        return normed

    def project_vision(self, x: Tensor) -> Tensor:
        """Finished tokens (..., d_v) -> shared space (..., d_s), not normalised."""
        projected: Tensor = self.vision_projection(x)
        return projected

    def encode_image(self, images: Tensor, pool: int = 1) -> Tensor:
        """The vision tower as it was pretrained: CLS features (N, d_s) in the shared space, not normalised.

        Args:
            images: (N, 3, H, W) frames after `normalize`.
            pool: See `embed_frames`.
        """
        embedded = self.embed_frames(images, pool)
        x = embedded.tokens
        for layer, block in enumerate(self.vision_blocks):
            x = block(x, self.vision_bias(layer, embedded.grid))
        return self.project_vision(self.finish_vision(x)[:, 0])

    # --- frozen ----------------------------------------------------------------------------------------------------
    def freeze(self) -> Self:
        """Turn off the gradients of every parameter, and switch to evaluation mode for good."""
        self.requires_grad_(False)
        return self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, whatever `mode` says."""
        return super().train(False)

    def check_size(self, height: int, width: int, pool: int = 1) -> tuple[int, int]:
        """(h, w) of the patch tokens that an input of (height, width) pixels gives.

        Raises:
            ValueError: The size is not a multiple of `size_multiple`, or `pool` is not one of `pools`.
        """
        if pool not in self.pools:
            sides = ", ".join(map(str, self.pools))
            raise ValueError(f"{self.name} pools squares of {sides} patches on a side, not of {pool}")
        if height % self.size_multiple or width % self.size_multiple or min(height, width) < self.size_multiple:
            raise ValueError(
                f"input size {height}x{width} does not fit {self.name}: "
                f"both sides must be multiples of {self.size_multiple}"
            )
        return height // self.patch_size // pool, width // self.patch_size // pool


def normalize_channels(frames: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Subtract a mean from each channel of frames (..., 3, H, W), and divide by a deviation, in one pass.

    The result lies in memory as the frames do.
    """
    shift, scale = (
        torch.tensor(values, dtype=frames.dtype, device=frames.device)
        for values in ([-m / s for m, s in zip(mean, std, strict=True)], [1 / s for s in std])
    )
    rows = frames.movedim(-3, -1)
    if frames.device.type != "cpu" or not rows.is_contiguous() or torch.compiler.is_compiling():
        return torch.addcmul(shift[:, None, None], frames, scale[:, None, None])
    # Where the channels lie last, a row of all channels is long enough for the processor's vectors.
    width = rows.shape[-2]
    normalized = torch.addcmul(shift.repeat(width), rows.flatten(-2), scale.repeat(width))
    found: Tensor = normalized.unflatten(-1, (width, len(mean))).movedim(-1, -3)
    return found
