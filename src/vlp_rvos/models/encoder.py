"""Reference-guided encoding: both frozen towers, run with prompts, and words inside the vision tower.

`docs/method.md` sections 1 and 2.1. Shapes: B batch of expressions, V videos, T frames, N patches of a grid (h, w),
S text tokens, d_v / d_t / d_s widths of the vision tower, the text tower and the shared space, L_v / L_t depths.
Token order of one frame: [CLS | patches | history | vision | temporal].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.attention import attend
from vlp_rvos.models.backbones.backbone import Backbone, Block, TextBatch
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.prompts import (
    HistoryPrompts,
    PromptEncoder,
    Prompts,
    SharedTemporalCapture,
    TemporalCapture,
    TemporalPositions,
)

__all__ = ["EmbeddedFrames", "EncodedFrames", "ReferenceGuidedEncoder", "TextFeatures", "matched_layer"]


@dataclass
class TextFeatures:
    """What the text tower says about B expressions; the same for every clip of a video.

    Attributes:
        hidden: L_t tensors (B, S, d_t), the tokens after each text layer, without prompts.
        words: (B, S, d_t) finished tokens.
        mask: (B, S) bool, True on real tokens; None where all of them are.
        sentence: (B, d_t) sentence feature.
        sentence_shared: (B, d_s) sentence feature in the shared space, not normalised.
        prompts: of both towers, because one encoder makes them together.
    """

    hidden: list[Tensor]
    words: Tensor
    mask: Tensor | None
    sentence: Tensor
    sentence_shared: Tensor
    prompts: Prompts

    def __len__(self) -> int:
        return self.sentence.shape[0]

    def without_idle_mask(self) -> TextFeatures:
        """The same without a mask that hides nothing: attention is faster then. It is looked into, so a GPU waits."""
        return replace(self, mask=None) if self.mask is not None and self.mask.all() else self

    def select(self, rows: Tensor | slice) -> TextFeatures:
        """The features of some of the expressions."""
        hidden, mask = [x[rows] for x in self.hidden], None if self.mask is None else self.mask[rows]
        return TextFeatures(
            hidden, self.words[rows], mask, self.sentence[rows], self.sentence_shared[rows], self.prompts
        )


@dataclass
class EmbeddedFrames:
    """What the backbone makes of the frames of V clips before its first layer, of each frame by itself.

    Attributes:
        tokens: (V, T, 1 + N, d_v), the CLS token first.
        grid: (h, w) of the patches.
        size: (H, W) of the frames.
        correspondence_features: (V, T, N, C), see `FrameTokens`.
        pyramid: stride -> (V, T, C, H/stride, W/stride), see `FrameTokens`.
    """

    tokens: Tensor
    grid: tuple[int, int]
    size: tuple[int, int]
    correspondence_features: Tensor
    pyramid: dict[int, Tensor]

    @classmethod
    def join(cls, parts: Sequence[EmbeddedFrames]) -> EmbeddedFrames:
        """Frames of the same clips that were embedded apart, in order; all of one size."""
        return cls(
            torch.cat([part.tokens for part in parts], 1),
            parts[0].grid,
            parts[0].size,
            torch.cat([part.correspondence_features for part in parts], 1),
            {stride: torch.cat([part.pyramid[stride] for part in parts], 1) for stride in parts[0].pyramid},
        )


@dataclass
class EncodedFrames:
    """What the vision tower says about the frames of B clips.

    Attributes:
        patches: (B, T, N, d_v) finished patch tokens.
        shallow: (B, T, N, d_v) patch tokens after each of `config.shallow_layers`, not normed.
    """

    patches: Tensor
    shallow: list[Tensor]


def matched_layer(vision_layer: int, vision_layers: int, text_layers: int) -> int:
    """The text layer at the same relative depth as a vision layer [D]; both count from 0."""
    return -(-(vision_layer + 1) * text_layers // vision_layers) - 1


class ReferenceGuidedEncoder(nn.Module):
    """The trained part of feature extraction. The backbone is passed in, because it is not part of it.

    Per vision layer: `x + MSA(LN x) + g * MCA(LN x, words)` [P; exact form D]. The queries of MCA are the layer's
    own. The words of the depth-matched text layer are normed, mapped to d_v by a learned projection, and taken
    through the layer's frozen key and value projections. Both head outputs are summed before the one frozen output
    projection. The gate g starts at 0.

    Args:
        config: which parts there are.
        backbone: for its sizes only.
    """

    def __init__(self, config: ModelConfig, backbone: Backbone) -> None:
        super().__init__()
        vision_layers, text_layers = len(backbone.vision_blocks), len(backbone.text_blocks)
        d_v, d_t = backbone.vision_width, backbone.text_width
        if config.shallow and max(config.shallow_layers, default=0) > vision_layers:
            raise UserError(
                f"model config: shallow_layers {config.shallow_layers} do not fit {backbone.name}: "
                f"it has {vision_layers} vision layers"
            )
        if config.shared_layers >= vision_layers:
            raise UserError(
                f"model config: shared_layers {config.shared_layers} must be less than the {vision_layers} vision "
                f"layers of {backbone.name}"
            )
        if config.patch_pool not in backbone.pools:
            raise UserError(
                f"model config: patch_pool {config.patch_pool} does not fit {backbone.name}: "
                f"use one of {', '.join(map(str, backbone.pools))}"
            )
        self.patch_pool = config.patch_pool
        self.shallow_layers = config.shallow_layers if config.shallow else ()
        self.shared_layers = config.shared_layers
        self.prompts = PromptEncoder(config, vision_layers, text_layers, d_v, d_t)
        self.positions = TemporalPositions(config.clip_length, d_v) if config.temporal_prompts else None
        captures = config.temporal_capture and config.temporal_prompts > 0
        self.capture = TemporalCapture() if captures and config.capture == "plain" else None
        self.shared_capture = SharedTemporalCapture() if captures and config.capture == "shared" else None
        self.history = HistoryPrompts(config.width, d_v) if config.history else None
        guided = range(config.shared_layers, vision_layers) if config.reference_guided else ()
        self.word_projections = nn.ModuleList(nn.Linear(d_t, d_v) for _ in guided)
        self.gates = nn.ParameterList(nn.Parameter(torch.zeros(())) for _ in guided)

    # --- words -----------------------------------------------------------------------------------------------------
    def encode_text(self, backbone: Backbone, text: TextBatch) -> TextFeatures:
        """Run the text tower once per expression.

        Language prompts stand right after the start token, where a causal tower lets every word see them, and are
        replaced by a fresh set at every layer.
        """
        prompts = self.prompts()
        batch, count = text.mask.shape[0], prompts.language.shape[1]
        x = backbone.embed_text(text)
        mask = torch.cat([text.mask[:, :1], text.mask.new_ones(batch, count), text.mask[:, 1:]], 1)
        hidden = []
        for layer, block in enumerate(backbone.text_blocks):
            if count:
                fresh = prompts.language[layer].to(x).expand(batch, -1, -1)
                x = torch.cat([x[:, :1], fresh, x[:, 1:]], 1)
            x = block(x, backbone.text_bias(mask, layer, count, dtype=x.dtype))
            if count:
                x = torch.cat([x[:, :1], x[:, 1 + count :]], 1)
            hidden.append(x)
        words = backbone.finish_text(x)
        sentence = backbone.pool_text(words, text)
        return TextFeatures(hidden, words, text.mask, sentence, backbone.project_text(sentence), prompts)

    def _word_keys(self, layer: int, block: Block, text: TextFeatures) -> tuple[Tensor, Tensor]:
        """Keys and gated values (B, heads, S, d_v/heads) of the words for one vision layer."""
        guided = layer - self.shared_layers
        hidden = text.hidden[matched_layer(layer, self.shared_layers + len(self.gates), len(text.hidden))]
        words = self.word_projections[guided](F.layer_norm(hidden, hidden.shape[-1:]))
        keys, values = block.project_kv(words)
        return keys, self.gates[guided].to(values.dtype) * values

    # --- frames ----------------------------------------------------------------------------------------------------
    def embed(self, backbone: Backbone, images: Tensor) -> EmbeddedFrames:
        """Frames (V, T, 3, H, W), normalised for the backbone, as they go into its first layer."""
        videos, length = images.shape[:2]
        # Nothing learned comes before the first layer.
        with torch.no_grad():
            embedded = backbone.embed_frames(images.flatten(0, 1), self.patch_pool)

        def of_clips(x: Tensor) -> Tensor:
            return x.unflatten(0, (videos, length))  # type: ignore[no-any-return]

        pyramid = {stride: of_clips(level) for stride, level in embedded.pyramid.items()}
        tokens, correspondence = of_clips(embedded.tokens), of_clips(embedded.correspondence_features)
        return EmbeddedFrames(tokens, embedded.grid, (images.shape[-2], images.shape[-1]), correspondence, pyramid)

    def forward(
        self,
        backbone: Backbone,
        embedded: EmbeddedFrames,
        text: TextFeatures,
        history: Tensor | None = None,
        video_of: Tensor | None = None,
    ) -> EncodedFrames:
        """Run the vision tower on clips.

        Args:
            backbone: the frozen towers.
            embedded: the frames of V clips.
            text: of B expressions.
            history: (B, T', d) of the previous clip, None for the first; ignored where the config has no history.
            video_of: (B,) which video each expression is about; None: one expression for each video, in order.
        """
        states = self._run_layers(backbone, embedded.tokens, embedded.grid, text, history, video_of)
        patches = backbone.finish_vision(states[-1])
        shallow = [states[layer - 1] for layer in self.shallow_layers]
        return EncodedFrames(patches, shallow)

    def _run_layers(
        self,
        backbone: Backbone,
        x: Tensor,
        grid: tuple[int, int],
        text: TextFeatures,
        history: Tensor | None,
        video_of: Tensor | None,
    ) -> list[Tensor]:
        """Embedded frames (V, T, 1 + N, d_v) -> patch tokens (B, T, N, d_v) after each layer, not normed."""
        length, own, width = x.shape[1:]
        prompts = text.prompts
        positions = None if self.positions is None else self.positions(length)
        none = prompts.temporal.new_zeros(length, 0, width)
        temporal = (none if positions is None else positions[:, None]).to(x).expand(x.shape[0], -1, -1, -1)
        words_visible = None if text.mask is None else _repeated(text.mask, length)[:, None, None, :]

        def of_expressions(videos: Tensor) -> Tensor:
            return videos if video_of is None else videos[video_of]

        states: list[Tensor] = []
        for layer, block in enumerate(backbone.vision_blocks):
            assert isinstance(block, Block)
            if layer == self.shared_layers:
                x, temporal, states = of_expressions(x), of_expressions(temporal), [of_expressions(s) for s in states]
                if self.history is not None:
                    past = self.history(history, x.shape[0]).to(x)[:, None].expand(-1, length, -1, -1)
                    x = torch.cat([x, past], 2)
            batch, _, carried, _ = x.shape
            fresh = prompts.vision[layer].to(x).expand(batch, length, -1, -1)
            temporal = temporal + prompts.temporal[layer].to(x)
            tokens = torch.cat([x, fresh, temporal], 2).flatten(0, 1)
            q, k, v = block.project_qkv(block.norm1(tokens))
            bias = backbone.vision_bias(layer, grid, tokens.shape[1] - own)
            last = layer + 1 == len(backbone.vision_blocks)
            # What CLS and prompts would gather in the last layer could reach no patch any more.
            asking = slice(1, own) if last else slice(None)
            q, tokens = q[:, :, asking], tokens[:, asking]
            heads = attend(q, k, v, None if bias is None else bias[:, :, asking].to(q.dtype))
            if self.gates and layer >= self.shared_layers:
                word_k, word_v = (_repeated(part, length) for part in self._word_keys(layer, block, text))
                heads = heads + attend(q, word_k, word_v, words_visible)
            tokens = tokens + block.project_out(heads)
            tokens = (tokens + block.mlp(block.norm2(tokens))).unflatten(0, (batch, length))
            if last:
                states.append(tokens)
                break
            x, temporal = tokens[:, :, :carried], tokens[:, :, carried + fresh.shape[2] :]
            if positions is not None:
                if self.capture is not None:
                    temporal = self.capture(block, temporal, x[:, :, :own], positions.to(x))
                elif self.shared_capture is not None:
                    temporal = self.shared_capture(block, temporal, k, v, positions.to(x))
            states.append(x[:, :, 1:own])
        return states


def _repeated(x: Tensor, times: int) -> Tensor:
    """(B, ...) -> (B * times, ...), each row `times` times in a row; `repeat_interleave` cannot be exported."""
    return x[:, None].expand(-1, times, *x.shape[1:]).flatten(0, 1)
