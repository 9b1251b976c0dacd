"""The interface of a runtime: what runs a model clip by clip.

Shapes: E expressions, P pointed things, T frames of a clip, (h, w) network input size in pixels, (h', w') patch grid, C
channels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.pointed_things import Mark, MissedPoint

__all__ = ["ClipPrediction", "Runtime"]


@dataclass(frozen=True)
class ClipPrediction:
    """A runtime's prediction for one clip: for the E expressions, then for the P things that were pointed at.

    Attributes:
        mask_logits: (E + P, T, h, w) float32 logits of the masks.
        presence_logits: (E + P, T) float32 logits of the target being in the frame; None if the model does not predict
            presence.
        state: the state to pass to `Runtime.step` with the next clip of the same video.
        correspondence_features: (T, h', w', C) frozen features of the patches, by which a patch is found again in
            other frames; None if the runtime gives none, and then masks of earlier clips cannot be carried along.
        missed: the points at which nothing was found.
        smallest_share: (E,) area of the smallest thing that each expression means relative to the largest one, in
            [0, 1]; 1 where it means one. None where the model does not tell things apart.
    """

    mask_logits: Tensor
    presence_logits: Tensor | None
    state: object
    correspondence_features: Tensor | None = None
    missed: tuple[MissedPoint, ...] = ()
    smallest_share: Tensor | None = None


class Runtime(ABC):
    """A model that is ready to run clip by clip.

    Attributes:
        config: the config of the model.
        size_multiple: both sides of the frames must be multiples of this number of pixels.
        device: the device on which `step` expects its frames.
        embedding_cost: time of `embed` relative to the rest of `step` for one expression. 0 if `embed` is not
            available to several threads at once, or not worth a thread of its own.
        can_point: whether `step` follows things that are pointed at, which takes a model with candidates.
    """

    config: ModelConfig
    size_multiple: int
    device: torch.device
    embedding_cost: float = 0.0
    can_point: bool = False

    @abstractmethod
    def encode_text(self, expressions: Sequence[str]) -> Any:
        """Encode E expressions, once for a video; `step` takes the result.

        Raises:
            UserError: an expression is empty.
        """

    def embed(self, frames: Tensor, proposed: Sequence[int] | None = None) -> Any:
        """Compute the first part of `step`, which depends on each frame alone and not on expressions or other frames.

        Args:
            frames: (1, T, 3, h, w) RGB in [0, 1].
            proposed: for each of the T frames, how many candidates are proposed in it at most, 0 for none; None for as
                many as the model's config says. Has no effect on a model without candidates.

        Returns:
            Embedded frames for `step`.
        """
        raise NotImplementedError

    def describe_drawn(self, frame: Tensor, masks: Tensor) -> Tensor:
        """What drawn masks look like, for `Mark.drawn_looks`; only where the runtime `can_point`.

        Args:
            frame: (1, 1, 3, h, w) RGB in [0, 1].
            masks: (K, h/4, w/4) bool.

        Returns:
            (K, C).
        """
        raise NotImplementedError

    @abstractmethod
    def step(
        self,
        frames: Tensor | Sequence[Any],
        text: Any,
        state: Any = None,
        pointed: int = 0,
        marks: Sequence[Mark] = (),
    ) -> ClipPrediction:
        """Segment one clip.

        Args:
            frames: (1, T, 3, h, w) RGB in [0, 1] with T at most `config.clip_length`, or the results of `embed` for
                these frames, in order.
            text: the result of `encode_text`; None where there are no expressions, but things that are pointed at.
            state: the state in the prediction for the previous clip; None for the first clip of a video.
            pointed: number P of things that are pointed at; 0 unless the runtime `can_point`.
            marks: what is marked of them in this clip.
        """

    def pack_state(self, state: Any) -> dict[str, Tensor]:
        """The state of a prediction as named tensors on the CPU, which can be stored; empty for None.

        Args:
            state: the state of a `ClipPrediction`.

        Raises:
            ValueError: the state is one of things that are pointed at, or of a runtime whose states cannot be stored.
        """
        raise ValueError(f"states of {type(self).__name__} cannot be stored")

    def unpack_state(self, tensors: Mapping[str, Tensor]) -> Any:
        """The state that `pack_state` packed, for `step`.

        Raises:
            ValueError: the tensors are not those of a state of this runtime.
        """
        raise ValueError(f"states of {type(self).__name__} cannot be stored")
