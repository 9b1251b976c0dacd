"""The interface of everything that runs a model on one clip after the other.

Shapes: E expressions, T frames of a clip, (h, w) network input size in pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vlp_rvos.models.model_config import ModelConfig

__all__ = ["ClipPrediction", "Runtime"]


@dataclass(frozen=True)
class ClipPrediction:
    """What a runtime says about one clip.

    Attributes:
        mask_logits: (E, T, h, w) float32.
        presence_logits: (E, T) float32, or None where the model does not predict presence.
        state: for `Runtime.step` on the next clip of the same video.
        correspondence_features: (T, h, w, C) frozen features of the patches, by which each is found again in other
            frames; None where the runtime gives none, so that no masks can be carried along.
    """

    mask_logits: Tensor
    presence_logits: Tensor | None
    state: object
    correspondence_features: Tensor | None = None


class Runtime(ABC):
    """A model that is ready to run on one clip after the other.

    Attributes:
        config: of the model.
        size_multiple: the sides of the frames must be multiples of it.
        device: where `step` wants its frames.
        embedding_cost: of `embed`, where threads can do it at the same time, against the rest of `step` for one
            expression; 0 where it is not there, or not worth it.
    """

    config: ModelConfig
    size_multiple: int
    device: torch.device
    embedding_cost: float = 0.0

    @abstractmethod
    def encode_text(self, expressions: Sequence[str]) -> Any:
        """E expressions -> what `step` needs to know of them; once for a video.

        Raises:
            UserError: an expression is empty.
        """

    def embed(self, frames: Tensor) -> Any:
        """What `step` computes first: of each frame by itself, whatever the words and the frames before.

        Args:
            frames: (1, T, 3, h, w) RGB in [0, 1].
        """
        raise NotImplementedError

    @abstractmethod
    def step(self, frames: Tensor | Sequence[Any], text: Any, state: Any = None) -> ClipPrediction:
        """Segment one clip.

        Args:
            frames: (1, T, 3, h, w) RGB in [0, 1], T at most `config.clip_length`; or what `embed` made of them, in
                any number of parts.
            text: from `encode_text`.
            state: of the previous clip's prediction, None for the first clip of a video.
        """
