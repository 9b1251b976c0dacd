"""A runtime that hands everything on to another one: the base of those that change or watch a part of its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from vlp_rvos.models.pointed_things import Mark
from vlp_rvos.runtimes.runtime import ClipPrediction, Runtime

__all__ = ["ForwardingRuntime"]


class ForwardingRuntime(Runtime):
    """Does what another runtime does.

    Args:
        runtime: the runtime that runs the model.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.config, self.size_multiple, self.device = runtime.config, runtime.size_multiple, runtime.device
        self.embedding_cost, self.can_point = runtime.embedding_cost, runtime.can_point

    def encode_text(self, expressions: Sequence[str]) -> Any:
        return self.runtime.encode_text(expressions)

    def embed(self, frames: Tensor, proposed: Sequence[int] | None = None) -> Any:
        return self.runtime.embed(frames, proposed)

    def describe_drawn(self, frame: Tensor, masks: Tensor) -> Tensor:
        return self.runtime.describe_drawn(frame, masks)

    def step(
        self,
        frames: Tensor | Sequence[Any],
        text: Any,
        state: Any = None,
        pointed: int = 0,
        marks: Sequence[Mark] = (),
    ) -> ClipPrediction:
        return self.runtime.step(frames, text, state, pointed, marks)

    def pack_state(self, state: Any) -> dict[str, Tensor]:
        return self.runtime.pack_state(state)

    def unpack_state(self, tensors: Mapping[str, Tensor]) -> Any:
        return self.runtime.unpack_state(tensors)
