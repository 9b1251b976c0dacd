"""Encode the same expressions once, however many videos they are about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from vlp_rvos.models.pointed_things import Mark
from vlp_rvos.runtimes.runtime import ClipPrediction, Runtime

__all__ = ["TextCache"]

#: Sets of expressions whose features are kept, a few hundred KB each.
KEPT = 64


class TextCache(Runtime):
    """A runtime that hands everything on to another one, and keeps the text features of the last expressions.

    Args:
        runtime: the runtime that runs the model.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.config, self.size_multiple, self.device = runtime.config, runtime.size_multiple, runtime.device
        self.embedding_cost = runtime.embedding_cost
        self._texts: OrderedDict[tuple[str, ...], Any] = OrderedDict()

    def encode_text(self, expressions: Sequence[str]) -> Any:
        key = tuple(expressions)
        text = self._texts.pop(key, None)
        if text is None:
            text = self.runtime.encode_text(expressions)
        self._texts[key] = text
        if len(self._texts) > KEPT:
            self._texts.popitem(last=False)
        return text

    def embed(self, frames: Tensor) -> Any:
        return self.runtime.embed(frames)

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
