"""Encode the same expressions once, however many videos they are about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from vlp_rvos.runtimes.forwarding_runtime import ForwardingRuntime
from vlp_rvos.runtimes.runtime import Runtime

__all__ = ["TextCache"]

#: Sets of expressions whose features are kept, a few hundred KB each.
KEPT = 64


class TextCache(ForwardingRuntime):
    """A runtime that hands everything on to another one, and keeps the text features of the last expressions.

    Args:
        runtime: the runtime that runs the model.
    """

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
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
