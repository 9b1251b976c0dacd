"""The two graphs that a model is exported as: one for the text, run once for a video, and one for clips.

Named tensors go from the first graph to the second, and from one clip to the next. Shapes: B expressions, S text
tokens, T frames, P state tokens, (H, W) network input size in pixels, (h, w) patch grid, C channels, L_t text layers,
d_v / d_t / d_s widths of the vision tower, the text tower and the shared space.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export import Dim

from vlp_rvos.models.backbones.expression_tokenizer import TextBatch
from vlp_rvos.models.encoder import TextFeatures
from vlp_rvos.models.module_copy import copy_module_tree
from vlp_rvos.models.prompts import Prompts
from vlp_rvos.models.vlp_rvos import VLPRVOS

__all__ = ["GRAPH_VERSION", "ClipGraph", "ExportGraph", "TextGraph", "without_candidates"]

#: Version of what the graphs compute from a checkpoint. Raise it with every change of the model's computation or of
#: the way it is exported: exports in users' caches are then made again.
GRAPH_VERSION = 1

TEXT_FEATURES = ("hidden", "words", "sentence", "sentence_shared")
#: Largest sides of the frames, in multiples of the backbone's `size_multiple`.
LARGEST_SIDE = 512


def without_candidates(model: VLPRVOS) -> VLPRVOS:
    """A model as it would be loaded with `candidates` 0; the same model if it has none.

    Graphs hold the dense path only: how many candidates are kept depends on the values of a frame, which cannot be
    traced.
    """
    if model.candidate_path is None:
        return model
    twin = copy_module_tree(model)
    twin.candidate_path, twin.config = None, model.config.replace(candidates=0)
    return twin


class ExportGraph(nn.Module):
    """A part of a model as a function of named tensors.

    A graph shares the model's weights, and leaves out the candidate path (`without_candidates`). It computes the
    prompts once, because in inference they are constants. The state that goes from clip to clip is the history in the
    form of prompts, so that "no history yet" is a state like any other.

    Args:
        model: the model, in evaluation mode.

    Attributes:
        name: name of the graph.
        inputs: names of the input tensors, in order.
        outputs: names of the output tensors, in order.
    """

    name: Literal["text", "clip"]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __init__(self, model: VLPRVOS) -> None:
        super().__init__()
        self.history = model.encoder.history
        self.model = copy_module_tree(without_candidates(model)).eval()
        with torch.no_grad():
            self.model.encoder.prompts = _FixedPrompts(model.encoder.prompts())  # type: ignore[assignment]
        if self.history is not None:
            self.model.encoder.history = _StateAsPrompts()  # type: ignore[assignment]
        if model.encoder.positions is not None:
            self.model.encoder.positions = _FirstPositions(model.encoder.positions.table)  # type: ignore[assignment]

    def example(self) -> tuple[Tensor, ...]:
        """Example inputs to trace the graph with; sizes that are independent of each other differ."""
        raise NotImplementedError

    def dynamic_shapes(self) -> tuple[dict[int, Any], ...]:
        """The range of sizes of each input, by axis."""
        raise NotImplementedError


class TextGraph(ExportGraph):
    """Token ids and mask -> text features, and the state at the start of a video."""

    name = "text"
    inputs = ("ids", "mask")

    def __init__(self, model: VLPRVOS) -> None:
        super().__init__(model)
        self.outputs = TEXT_FEATURES if self.history is None else (*TEXT_FEATURES, "state")

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """Encode B expressions.

        Args:
            ids: (B, S) int64 token ids.
            mask: (B, S) bool, True where there is a token.

        Returns:
            (L_t, B, S, d_t) tokens after each layer, (B, S, d_t) tokens after the last norm, (B, d_t) and (B, d_s)
            sentence features, and, for a model with history, the (B, 1, d_v) state at the start of a video.
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
    """Frames, text features and state -> mask logits, correspondence features, presence logits and the next state."""

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
            mask: (B, S) bool, see `TextGraph`.
            hidden: (L_t, B, S, d_t) tokens after each text layer.
            words: (B, S, d_t) tokens after the last norm of the text tower.
            sentence: (B, d_t) sentence features.
            sentence_shared: (B, d_s) sentence features in the shared space.
            state: (B, P, d_v) state after the clip before; None for a model without history.

        Returns:
            (B, T, H, W) mask logits and (T, h, w, C) correspondence features; for a model with presence (B, T)
            presence logits; for a model with history (B, T, d_v), the next state.
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


class _FixedPrompts(nn.Module):
    """Takes the place of the prompt encoder: gives prompts that were computed before."""

    def __init__(self, prompts: Prompts) -> None:
        super().__init__()
        for kind in ("language", "vision", "temporal"):
            self.register_buffer(kind, getattr(prompts, kind).detach().clone())

    def forward(self) -> Prompts:
        return Prompts(*self.buffers())


class _FirstPositions(nn.Module):
    """Takes the place of `TemporalPositions`, for clips that are not longer than its table."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = table

    def forward(self, frames: int) -> Tensor:
        return self.table[torch.arange(frames)]


class _StateAsPrompts(nn.Module):
    """Takes the place of `HistoryPrompts`: the state that comes in is the prompts already."""

    def forward(self, prompts: Tensor, batch: int) -> Tensor:
        return prompts
