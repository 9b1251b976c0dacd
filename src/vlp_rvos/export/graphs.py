"""The two graphs that a model is exported as: words once for a video, frames for every clip.

What goes from the first to the second, and from one clip to the next, are plain tensors with names. Shapes: B
expressions, S text tokens, T frames, P state tokens, (H, W) network input size in pixels, L_t text layers, d_v / d_t /
d_s widths of the vision tower, the text tower and the shared space.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export import Dim

from vlp_rvos.models.backbones.backbone import TextBatch
from vlp_rvos.models.encoder import TextFeatures
from vlp_rvos.models.module_copy import copy_module_tree
from vlp_rvos.models.prompts import Prompts
from vlp_rvos.models.vlp_rvos import VLPRVOS

__all__ = ["ClipGraph", "ExportGraph", "TextGraph"]

TEXT_FEATURES = ("hidden", "words", "sentence", "sentence_shared")
LARGEST_SIDE = 512


class ExportGraph(nn.Module):
    """A part of a model as a function of named tensors.

    The model's own weights are used, not copies. Prompts are computed here once: in inference they are constants.
    The state that goes from clip to clip is the history as prompts, so that "no history" is a state like any other.

    Args:
        model: in evaluation mode.

    Attributes:
        name: of the graph.
        inputs, outputs: names of the tensors, in order.
    """

    name: Literal["text", "clip"]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __init__(self, model: VLPRVOS) -> None:
        super().__init__()
        self.history = model.encoder.history
        self.model = copy_module_tree(model).eval()
        with torch.no_grad():
            self.model.encoder.prompts = _Constant(model.encoder.prompts())  # type: ignore[assignment]
        if self.history is not None:
            self.model.encoder.history = _Given()  # type: ignore[assignment]
        if model.encoder.positions is not None:
            self.model.encoder.positions = _FirstRows(model.encoder.positions.table)  # type: ignore[assignment]

    def example(self) -> tuple[Tensor, ...]:
        """Inputs, of sizes that have nothing in common."""
        raise NotImplementedError

    def dynamic_shapes(self) -> tuple[dict[int, Any], ...]:
        """For each input: axis -> what its size may be."""
        raise NotImplementedError


class TextGraph(ExportGraph):
    """Token ids and mask -> text features, and the state of a video that begins."""

    name = "text"
    inputs = ("ids", "mask")

    def __init__(self, model: VLPRVOS) -> None:
        super().__init__(model)
        self.outputs = TEXT_FEATURES if self.history is None else (*TEXT_FEATURES, "state")

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """Encode B expressions.

        Args:
            ids: (B, S) int64.
            mask: (B, S) bool.

        Returns:
            (L_t, B, S, d_t) tokens after each layer, (B, S, d_t) finished tokens, (B, d_t) and (B, d_s) sentence
            features, and with history (B, 1, d_v), the first state.
        """
        text = self.model.encode_text(TextBatch(ids, mask))
        features = (torch.stack(text.hidden), text.words, text.sentence, text.sentence_shared)
        if self.history is None:
            return features
        return (*features, self.history(None, ids.shape[0]).clone())

    def example(self) -> tuple[Tensor, ...]:
        text = _example_text(self.model)
        return text.ids, text.mask

    def dynamic_shapes(self) -> tuple[dict[int, Any], ...]:
        shape = {0: Dim("expressions"), 1: Dim("words", max=self.model.backbone.max_words)}
        return shape, shape


class ClipGraph(ExportGraph):
    """Frames, text features and state -> mask logits, presence logits and the next state."""

    name = "clip"

    def __init__(self, model: VLPRVOS) -> None:
        super().__init__(model)
        state = () if self.history is None else ("state",)
        presence = () if model.presence_head is None else ("presence_logits",)
        self.inputs = ("frames", "mask", *TEXT_FEATURES, *state)
        self.outputs = ("mask_logits", "correspondence_features", *presence, *(f"next_{name}" for name in state))

    def forward(
        self,
        frames: Tensor,
        mask: Tensor,
        hidden: Tensor,
        words: Tensor,
        sentence: Tensor,
        sentence_shared: Tensor,
        state: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Segment a clip.

        Args:
            frames: (1, T, 3, H, W) RGB in [0, 1].
            mask, hidden, words, sentence, sentence_shared: see `TextGraph`.
            state: (B, P, d_v).

        Returns:
            (B, T, H, W) mask logits; (T, h, w, C) features by which patches are found again; with presence (B, T)
            presence logits; with history (B, T, d_v), the next state.
        """
        prompts = self.model.encoder.prompts()
        text = TextFeatures(list(hidden.unbind()), words, mask, sentence, sentence_shared, prompts)
        video_of = torch.zeros_like(mask[:, 0], dtype=torch.int64)
        out = self.model.predict(frames, text, state, video_of)
        assert out.correspondence_features is not None
        results = [out.mask_logits, out.correspondence_features[0]]
        if out.presence_logits is not None:
            results.append(out.presence_logits)
        if self.history is not None:
            results.append(self.history(out.history, mask.shape[0]))
        return tuple(results)

    def example(self) -> tuple[Tensor, ...]:
        side, width = self.model.backbone.size_multiple, self.model.backbone.vision_width
        batch = _example_text(self.model)
        text = self.model.encode_text(batch)
        features = (torch.stack(text.hidden), text.words, text.sentence, text.sentence_shared)
        frames = torch.rand(1, min(3, self.model.config.clip_length), 3, 3 * side, 5 * side)
        state = () if self.history is None else (torch.rand(len(text), 2, width),)
        return frames, batch.mask, *features, *state

    def dynamic_shapes(self) -> tuple[dict[int, Any], ...]:
        side, length = self.model.backbone.size_multiple, self.model.config.clip_length
        frames = Dim("frames", max=length) if length > 1 else Dim.STATIC
        height, width = (side * Dim(name, max=LARGEST_SIDE) for name in ("rows", "columns"))
        expressions, words = Dim("expressions"), Dim("words", max=self.model.backbone.max_words)
        shapes: tuple[dict[int, Any], ...] = (
            {1: frames, 3: height, 4: width},
            {0: expressions, 1: words},
            {1: expressions, 2: words},
            {0: expressions, 1: words},
            {0: expressions},
            {0: expressions},
        )
        return shapes if self.history is None else (*shapes, {0: expressions, 1: Dim("state_tokens")})


def _example_text(model: VLPRVOS) -> TextBatch:
    return model.backbone.tokenize(["the red car", "a small dog that goes left"])


class _Constant(nn.Module):
    """Prompts that were computed before."""

    def __init__(self, prompts: Prompts) -> None:
        super().__init__()
        for kind in ("language", "vision", "temporal"):
            self.register_buffer(kind, getattr(prompts, kind).detach().clone())

    def forward(self) -> Prompts:
        return Prompts(*self.buffers())


class _FirstRows(nn.Module):
    """In the place of `TemporalPositions`, for clips that are not longer than the table."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = table

    def forward(self, frames: int) -> Tensor:
        return self.table[torch.arange(frames)]


class _Given(nn.Module):
    """In the place of `HistoryPrompts`: what comes is the prompts already."""

    def forward(self, prompts: Tensor, batch: int) -> Tensor:
        return prompts
