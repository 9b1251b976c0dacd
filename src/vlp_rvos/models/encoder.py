"""Reference-guided encoding: both frozen towers run with prompts, and the vision tower attends to the words.

`docs/method.md` sections 1 and 2.1. Marks: [P] from the paper, [D] decided here. Shapes: B expressions, V videos, T
frames, T' frames of the previous clip, N patches of a grid (h, w), S text tokens, C channels of a feature map, d_v /
d_t / d_s widths of the vision tower, the text tower and the shared space, L_t depth of the text tower, d width of the
trained modules.

Token order of one frame: [CLS | patches | history | vision | temporal], the last three being prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.attention import attend
from vlp_rvos.models.backbones.backbone import Backbone, Block
from vlp_rvos.models.backbones.expression_tokenizer import TextBatch
from vlp_rvos.models.descriptors import FrameThings
from vlp_rvos.models.maps import join_frames
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.prompts import (
    HistoryPrompts,
    PromptEncoder,
    Prompts,
    SharedTemporalCapture,
    TemporalCapture,
    TemporalPositions,
)
from vlp_rvos.models.refinement import Surroundings
from vlp_rvos.models.videos import for_expressions

__all__ = ["EmbeddedFrames", "EncodedFrames", "PlainText", "ReferenceGuidedEncoder", "TextFeatures", "matched_layer"]


@dataclass
class PlainText:
    """Features of B expressions from the frozen text tower as it was published, without prompts.

    Attributes:
        words: (B, S, d_t) output tokens.
        mask: (B, S) bool, True on real tokens.
        sentence: (B, d_s) sentence features in the shared space, not normalised.
    """

    words: Tensor
    mask: Tensor
    sentence: Tensor

    def select(self, rows: Tensor | slice) -> PlainText:
        """The features of some of the expressions."""
        return PlainText(self.words[rows], self.mask[rows], self.sentence[rows])

    def to(self, device: torch.device) -> PlainText:
        """The same on a device."""
        return PlainText(self.words.to(device), self.mask.to(device), self.sentence.to(device))


@dataclass
class TextFeatures:
    """Features of B expressions from the text tower; computed once and used for every clip of a video.

    Attributes:
        hidden: L_t tensors (B, S, d_t), the tokens after each text layer, without prompts.
        words: (B, S, d_t) output tokens of the text tower.
        mask: (B, S) bool, True on real tokens; None where all of them are.
        sentence: (B, d_t) sentence features.
        sentence_shared: (B, d_s) sentence features in the shared space, not normalised.
        prompts: prompts of both towers, which one encoder makes together.
        plain: the words as the frozen text tower sees them without prompts; None where no module reads them.
    """

    hidden: list[Tensor]
    words: Tensor
    mask: Tensor | None
    sentence: Tensor
    sentence_shared: Tensor
    prompts: Prompts
    plain: PlainText | None = None

    def __len__(self) -> int:
        return self.sentence.shape[0]

    def without_redundant_mask(self) -> TextFeatures:
        """The same features, with a mask that is True everywhere replaced by None, which makes attention faster.

        Reading the mask's values makes a GPU synchronise.
        """
        return replace(self, mask=None) if self.mask is not None and self.mask.all() else self

    def select(self, rows: Tensor | slice) -> TextFeatures:
        """The features of some of the expressions."""
        hidden, mask = [x[rows] for x in self.hidden], None if self.mask is None else self.mask[rows]
        plain = None if self.plain is None else self.plain.select(rows)
        return TextFeatures(
            hidden, self.words[rows], mask, self.sentence[rows], self.sentence_shared[rows], self.prompts, plain
        )


@dataclass
class EmbeddedFrames:
    """The frames of V clips, embedded for the backbone's first layer. Each frame is embedded by itself.

    Attributes:
        tokens: (V, T, 1 + N, d_v) tokens of each frame, the CLS token first.
        grid: (h, w) patches of a frame.
        size: (H, W) pixels of a frame.
        correspondence_features: (V, T, N, C) frozen features that find a patch again in other frames; see
            `FrameTokens`.
        pyramid: frozen feature maps, stride -> (V, T, C, H/stride, W/stride); see `FrameTokens`.
        named: (V, T, d_s, H/32, W/32) names of the classes that the backbone sees, see `FrameTokens`; None where it has
            no classes.
        things: for each video, the candidates of each of its T frames, None for a frame in which nothing is proposed;
            None where the model proposes nothing.
        surroundings: what masks are redrawn from, each level (V, T, C, h, w), see `Refinement.read`; None where the
            model redraws none.
    """

    tokens: Tensor
    grid: tuple[int, int]
    size: tuple[int, int]
    correspondence_features: Tensor
    pyramid: dict[int, Tensor]
    named: Tensor | None = None
    things: list[list[FrameThings | None]] | None = None
    surroundings: Surroundings | None = None

    def surroundings_of(self, video: int) -> Surroundings | None:
        """The `surroundings` of one video, each level (T, C, h, w)."""
        return None if self.surroundings is None else tuple(level[video] for level in self.surroundings)

    @classmethod
    def join(cls, parts: Sequence[EmbeddedFrames]) -> EmbeddedFrames:
        """Join consecutive frames of the same V clips that were embedded separately; all must have one size."""
        levels = zip(*(part.surroundings for part in parts if part.surroundings is not None), strict=True)
        surroundings = tuple(map(join_frames, levels))
        return cls(
            torch.cat([part.tokens for part in parts], 1),
            parts[0].grid,
            parts[0].size,
            torch.cat([part.correspondence_features for part in parts], 1),
            {stride: join_frames([part.pyramid[stride] for part in parts]) for stride in parts[0].pyramid},
            torch.cat(named, 1) if (named := [part.named for part in parts if part.named is not None]) else None,
            [list(chain(*clips)) for clips in zip(*things, strict=True)]
            if (things := [part.things for part in parts if part.things is not None])
            else None,
            surroundings or None,
        )


@dataclass
class EncodedFrames:
    """Features of B clips from the vision tower, one clip for each expression.

    Attributes:
        patches: (B, T, N, d_v) output patch tokens of the vision tower.
        shallow: (B, T, N, d_v) patch tokens after each of `config.shallow_layers`, before any norm.
    """

    patches: Tensor
    shallow: list[Tensor]


def matched_layer(vision_layer: int, vision_layers: int, text_layers: int) -> int:
    """The text layer at the same relative depth as a vision layer [D]; both count from 0."""
    return -(-(vision_layer + 1) * text_layers // vision_layers) - 1


class ReferenceGuidedEncoder(nn.Module):
    """The trained part of feature extraction. It does not own the backbone: every call gets it as an argument.

    Each vision layer computes `x + MSA(LN x) + g * MCA(LN x, words)` [P; exact form D]. Self-attention (MSA) and
    attention to the words (MCA) share the layer's queries. The words of the text layer at the same relative depth are
    normed, mapped to d_v by a learned projection, and go through the layer's frozen key and value projections. The
    outputs of both attentions are added before the frozen output projection. The gate g starts at 0, so that training
    starts from the pretrained features.

    Args:
        config: sizes and switches.
        backbone: the backbone; only its sizes are read.

    Raises:
        UserError: the config names layers or a pooling that the backbone does not have.
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
        """Run the text tower on B expressions.

        Language prompts stand right after the start token, where every word of a causal tower can see them. Each layer
        has its own set, which replaces that of the layer before.
        """
        prompts = self.prompts()
        # Not `len(text)`: an export would take that number as fixed.
        batch, count = text.ids.shape[0], prompts.language.shape[1]
        x = backbone.embed_text(text)
        mask = torch.cat([text.mask[:, :1], text.mask.new_ones(batch, count), text.mask[:, 1:]], 1)
        hidden = []
        for layer, block in enumerate(backbone.text_blocks):
            if count:
                language = prompts.language[layer].to(x).expand(batch, -1, -1)
                x = torch.cat([x[:, :1], language, x[:, 1:]], 1)
            x = block(x, backbone.text_bias(mask, layer, count, dtype=x.dtype))
            if count:
                x = torch.cat([x[:, :1], x[:, 1 + count :]], 1)
            hidden.append(x)
        words = backbone.finish_text(x)
        sentence = backbone.pool_text(words, text)
        return TextFeatures(hidden, words, text.mask, sentence, backbone.project_text(sentence), prompts)

    def _guiding_words(self, layer: int, text: TextFeatures) -> tuple[Tensor, Tensor] | None:
        """The words (B, S, d_v) that one vision layer attends to, before its projections, and the gate on them."""
        guided = layer - self.shared_layers
        if not self.gates or guided < 0:
            return None
        hidden = text.hidden[matched_layer(layer, self.shared_layers + len(self.gates), len(text.hidden))]
        return self.word_projections[guided](F.layer_norm(hidden, hidden.shape[-1:])), self.gates[guided]

    # --- frames ----------------------------------------------------------------------------------------------------
    def embed(self, backbone: Backbone, images: Tensor) -> EmbeddedFrames:
        """Embed frames (V, T, 3, H, W) that are normalised for the backbone; no gradients."""
        videos, length = images.shape[:2]
        # Nothing before the first layer is trained.
        with torch.no_grad():
            embedded = backbone.embed_frames(images.flatten(0, 1), self.patch_pool)

        def of_clips(x: Tensor) -> Tensor:
            return x.unflatten(0, (videos, length))  # type: ignore[no-any-return]

        pyramid = {stride: of_clips(level) for stride, level in embedded.pyramid.items()}
        tokens, correspondence = of_clips(embedded.tokens), of_clips(embedded.correspondence_features)
        named = None if embedded.named is None else of_clips(embedded.named)
        size = (images.shape[-2], images.shape[-1])
        return EmbeddedFrames(tokens, embedded.grid, size, correspondence, pyramid, named)

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
            backbone: the frozen backbone.
            embedded: frames of V clips.
            text: features of B expressions.
            history: (B, T', d) history of the previous clip, None for the first clip of a video; ignored where the
                config has no history.
            video_of: (B,) index of the video that each expression is about. None: one expression for each video, in
                order.
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
        """Embedded frames (V, T, 1 + N, d_v) -> patch tokens (B, T, N, d_v) after each layer, before any norm.

        CLS, patches, history and temporal prompts travel from layer to layer. Vision prompts are replaced at every
        layer; to the temporal prompts every layer's own set is added.
        """
        length, frame_tokens, width = x.shape[1:]
        prompts = text.prompts
        positions = None if self.positions is None else self.positions(length)
        none = prompts.temporal.new_zeros(length, 0, width)
        temporal = (none if positions is None else positions[:, None]).to(x).expand(x.shape[0], -1, -1, -1)
        words_visible = None if text.mask is None else _repeat(text.mask, length)[:, None, None, :]

        states: list[Tensor] = []
        for layer, block in enumerate(backbone.vision_blocks):
            assert isinstance(block, Block)
            if layer == self.shared_layers:
                x, temporal = for_expressions(x, video_of), for_expressions(temporal, video_of)
                states = [for_expressions(state, video_of) for state in states]
                if self.history is not None:
                    previous = self.history(history, x.shape[0]).to(x)[:, None].expand(-1, length, -1, -1)
                    x = torch.cat([x, previous], 2)
            batch, _, kept, _ = x.shape
            vision = prompts.vision[layer].to(x).expand(batch, length, -1, -1)
            temporal = temporal + prompts.temporal[layer].to(x)
            tokens = torch.cat([x, vision, temporal], 2)
            bias = backbone.vision_bias(layer, grid, tokens.shape[2] - frame_tokens)
            last = layer + 1 == len(backbone.vision_blocks)
            # After the last layer only patches are read, so CLS and prompts need no update there.
            updated = slice(1, frame_tokens) if last else slice(None)
            words = self._guiding_words(layer, text)
            places = None if last or positions is None else positions.to(x)
            tokens, captured = block.run(
                self._run_layer, tokens, updated, bias, words, words_visible, (frame_tokens, temporal.shape[2]), places
            )
            tokens = tokens.unflatten(0, (batch, length))
            if last:
                states.append(tokens)
                break
            x, temporal = tokens[:, :, :kept], tokens[:, :, kept + vision.shape[2] :]
            temporal = temporal if captured is None else captured
            states.append(x[:, :, 1:frame_tokens])
        return states

    def _run_layer(
        self,
        block: Block,
        tokens: Tensor,
        updated: slice,
        bias: Tensor | None,
        words: tuple[Tensor, Tensor] | None,
        words_visible: Tensor | None,
        counts: tuple[int, int],
        positions: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """One vision layer on the tokens (B, T, L, d_v).

        Args:
            block: the layer.
            tokens: CLS and patches, then whatever else travels along, at the end the temporal prompts.
            updated: which tokens the layer updates.
            bias: see `Backbone.vision_bias`.
            words: see `_guiding_words`.
            words_visible: (B*T, 1, 1, S) bool, which words may be seen; None: all.
            counts: number of CLS and patches of a frame, and of temporal prompts.
            positions: (T, d_v) position embeddings of the frames; None captures nothing.

        Returns:
            The updated tokens (B*T, L', d_v), and the temporal prompts (B, T, n, d_v) after the capture; None where
            nothing is captured.
        """
        batch, length = tokens.shape[:2]
        tokens = tokens.flatten(0, 1)
        q, k, v = block.project_qkv(block.norm1(tokens))
        q, tokens = q[:, :, updated], tokens[:, updated]
        heads = attend(q, k, v, None if bias is None else bias[:, :, updated].to(q.dtype))
        if words is not None:
            of_words, gate = words
            word_k, word_v = block.project_kv(of_words)
            word_v = gate.to(word_v.dtype) * word_v
            heads = heads + attend(q, _repeat(word_k, length), _repeat(word_v, length), words_visible)
        tokens = tokens + block.project_out(heads)
        tokens = tokens + block.mlp(block.norm2(tokens))
        captured: Tensor | None = None
        if positions is not None:
            of_frames = tokens.unflatten(0, (batch, length))
            temporal = of_frames[:, :, of_frames.shape[2] - counts[1] :]
            if self.capture is not None:
                captured = self.capture(block, temporal, of_frames[:, :, : counts[0]], positions)
            elif self.shared_capture is not None:
                captured = self.shared_capture(block, temporal, k, v, positions)
        return tokens, captured


def _repeat(x: Tensor, times: int) -> Tensor:
    """`x.repeat_interleave(times, 0)`, which cannot be exported: (B, ...) -> (B * times, ...)."""
    return x[:, None].expand(-1, times, *x.shape[1:]).flatten(0, 1)
