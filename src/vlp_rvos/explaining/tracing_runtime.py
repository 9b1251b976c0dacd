"""A runtime that keeps what the model computes on the way to the masks of a clip.

Shapes: E expressions, T frames, S tokens of the longest expression, N candidates, (h', w') patch grid, (h, w) network
input size in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vlp_rvos.explaining.explanation import CHOICE, FUSION, REASONING
from vlp_rvos.models.candidate_path import Chosen
from vlp_rvos.models.encoder import EmbeddedFrames, EncodedFrames, TextFeatures
from vlp_rvos.models.pointed_things import Mark
from vlp_rvos.models.pooling import masked_mean
from vlp_rvos.models.vlp_rvos import ClipOutput
from vlp_rvos.runtimes.forwarding_runtime import ForwardingRuntime
from vlp_rvos.runtimes.runtime import ClipPrediction
from vlp_rvos.runtimes.torch_runtime import ClipState, TorchRuntime, clip_prediction

__all__ = ["ClipTrace", "TracingRuntime"]


@dataclass(frozen=True)
class ClipTrace:
    """What the model computed on the way to the masks of a clip. Everything is on the CPU, but for `chosen`.

    Attributes:
        dense_masks: (E, T, h, w) mask logits of the dense head.
        dense_presences: (E, T) presence logits of the dense head; None where the model predicts none.
        scores: (E, T, h', w') logits of the text-pixel score map; None where the model has none.
        token_scores: (E, S, T, h', w') logits of the score map of each token; None where the model has none.
        attention: part of the model -> (E, T, S) share of the attention that goes to each token, see
            `WordReading.attention`.
        chosen: the candidates and their scores; None where the model has none.
    """

    dense_masks: Tensor
    dense_presences: Tensor | None
    scores: Tensor | None
    token_scores: Tensor | None
    attention: dict[str, Tensor]
    chosen: Chosen | None


class TracingRuntime(ForwardingRuntime):
    """Runs a model as PyTorch's runtime does, and keeps a trace of the last clip.

    It calls the steps of `VLPRVOS.predict_embedded` one by one, so its predictions are the same.

    Args:
        runtime: the runtime with the model.

    Attributes:
        trace: the trace of the last clip; None before the first one.
    """

    def __init__(self, runtime: TorchRuntime) -> None:
        super().__init__(runtime)
        self.autocast, self.model = runtime.autocast, runtime.model
        # All frames of a clip are traced together, and only words are.
        self.embedding_cost, self.can_point = 0.0, False
        self.trace: ClipTrace | None = None

    @torch.inference_mode()
    def step(
        self,
        frames: Tensor | Sequence[Any],
        text: Any,
        state: Any = None,
        pointed: int = 0,
        marks: Sequence[Mark] = (),
    ) -> ClipPrediction:
        if pointed or marks:
            raise ValueError("what words look at is traced; nothing can be pointed at")
        model = self.model
        history, identities, _ = ClipState() if state is None else state
        video_of = torch.zeros(len(text), dtype=torch.int64, device=self.device)
        with self.autocast():
            embedded = self.embed(frames) if isinstance(frames, Tensor) else EmbeddedFrames.join(frames)
            encoded = model.encoder(model.backbone, embedded, text, history, video_of)
            dense = model.predict_dense(embedded, encoded, text, video_of)
            out, of_candidates = dense, list[list[Tensor]]()
            if model.candidate_path is not None and embedded.things is not None:
                out = model.choose(dense, embedded, text, video_of, identities, of_candidates)
            self.trace = self._trace(embedded, encoded, text, video_of, dense, out, of_candidates)
        return clip_prediction(out)

    def _trace(
        self,
        embedded: EmbeddedFrames,
        encoded: EncodedFrames,
        text: TextFeatures,
        video_of: Tensor,
        dense: ClipOutput,
        out: ClipOutput,
        of_candidates: list[list[Tensor]],
    ) -> ClipTrace:
        model, grid = self.model, embedded.grid
        motion = model.motion_features(embedded, video_of)
        _, words, _ = model.fusion(model.backbone, encoded.patches, grid, text, motion)
        of_patches = {
            FUSION: model.fusion.word_weights(encoded.patches, text, motion),
            REASONING: model.reasoning.word_weights(encoded.shallow, words, text.mask),
        }
        coarse = torch.nn.functional.interpolate(dense.mask_logits, size=grid, mode="area").flatten(2)
        attention = {name: _shares(masked_mean(part, coarse)) for name, part in of_patches.items() if part is not None}
        chosen = out.things[0] if out.things else None
        if chosen is not None and of_candidates[0]:
            # The best of the candidates and "none", which is the last row.
            best = torch.cat([chosen.scores, chosen.none[:, None]], 1).argmax(1)
            weights = torch.stack(of_candidates[0]).mean(0)[torch.arange(len(best), device=best.device), best]
            attention[CHOICE] = weights[:, None].expand(-1, dense.mask_logits.shape[1], -1)
        tokens = model.fusion.score_words(model.backbone, encoded.patches, text)
        return ClipTrace(
            dense.mask_logits.cpu(),
            None if dense.presence_logits is None else dense.presence_logits.cpu(),
            None if dense.score_logits is None else dense.score_logits.float().cpu(),
            None if tokens is None else tokens.unflatten(-1, grid).float().cpu(),
            {name: part.float().cpu() for name, part in attention.items()},
            chosen,
        )


def _shares(weights: Tensor) -> Tensor:
    """(..., S) sums of attention -> shares of them, which sum to 1."""
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
