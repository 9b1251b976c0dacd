"""Segmenters and runtimes whose answers are known or counted, and a comparison of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from stubs import tiny_model
from torch import Tensor

from vlp_rvos import FrameResult, Segmenter
from vlp_rvos.models.vlp_rvos import ClipOutput
from vlp_rvos.runtimes.runtime import ClipPrediction
from vlp_rvos.runtimes.torch_runtime import TorchRuntime

WORDS = ["the dog that jumps", "a red car"]


class ScriptedSegmenter(Segmenter):
    """A segmenter whose model gives set answers, the same for every frame; it records the shapes that it was given.

    Args:
        logits: (E, h, w) mask logits.
        presence: probability that the target is there, for each expression.
        options: fields of `InferenceOptions`.
    """

    def __init__(self, logits: Tensor, presence: Sequence[float], **options: float) -> None:
        super().__init__(tiny_model(), **options)
        self.calls: list[tuple[torch.Size, Tensor | None]] = []

        def forward(
            clip: Tensor, text: object, history: Tensor | None, video_of: Tensor, identities: object
        ) -> ClipOutput:
            self.calls.append((clip.shape, history))
            assert video_of.tolist() == [0] * len(logits)
            assert identities is None
            length = clip.shape[1]
            presences = torch.logit(torch.tensor(presence))[:, None].expand(-1, length)
            number = torch.tensor(float(len(self.calls)))
            return ClipOutput(
                logits[:, None].expand(-1, length, -1, -1), number.expand(len(logits), length, 32), None, presences
            )

        self.runtime.model.forward = forward  # type: ignore[attr-defined]


class CountingRuntime(TorchRuntime):
    """Counts the clips that it has predicted; fails at clip number `fails_at`."""

    def __init__(self, fails_at: int = -1) -> None:
        super().__init__(tiny_model())
        self.clips, self.fails_at = 0, fails_at

    def step(self, frames: Tensor, text: object, state: object = None, *pointed: Any) -> ClipPrediction:
        if self.clips == self.fails_at:
            raise RuntimeError("the model broke")
        self.clips += 1
        return super().step(frames, text, state, *pointed)


def same_results(first: Sequence[FrameResult], second: Sequence[FrameResult]) -> bool:
    """Whether masks are the same, and scores and presences up to rounding."""
    return len(first) == len(second) and all(
        np.array_equal(a.masks, b.masks)
        and np.allclose(a.scores, b.scores, atol=1e-6)
        and np.allclose(a.presences, b.presences, atol=1e-6)
        for a, b in zip(first, second, strict=True)
    )
