"""A first Ctrl-C or SIGTERM lets long work end in good order instead of breaking it off."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vlp_rvos.errors import TERMINATED

__all__ = ["StopRequest", "Terminated", "catch_stop_signals", "raise_on_sigterm"]


class Terminated(SystemExit):
    """SIGTERM asked the process to end. Where nobody catches this, the exit code is 143, as shells give it."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


class StopRequest:
    """Whether the process was asked to stop; false until then.

    Attributes:
        signal_number: the signal that asked, or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __bool__(self) -> bool:
        return self.signal_number is not None


@contextmanager
def raise_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` while the block runs, as Ctrl-C raises `KeyboardInterrupt`.

    So work is broken off in good order: temporary files and processes are removed. A second SIGTERM ends the process at
    once. Where SIGTERM has a handler already, and outside the main thread, nothing changes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def catch_stop_signals() -> Iterator[StopRequest]:
    """Note the first SIGINT (Ctrl-C) or SIGTERM while the block runs, which then decides where to stop.

    A second signal of the same kind does what it did before the block. Only the main thread can catch signals; in
    another one nothing is caught.

    Yields:
        The request, which becomes true with the first signal.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    earlier = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: FrameType | None) -> None:
        request.signal_number = number
        signal.signal(number, earlier[number])

    for number in earlier:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
