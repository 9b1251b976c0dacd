"""Call a function if a piece of work takes longer than it should."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["called_if_late"]


@contextmanager
def called_if_late(seconds: float, function: Callable[..., object], *arguments: object) -> Iterator[None]:
    """Call a function in a thread of its own if the block still runs after some seconds; at most once."""
    timer = threading.Timer(seconds, function, arguments)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
