"""A first Ctrl-C, SIGTERM or SIGHUP lets long work end in good order instead of breaking it off."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["StopRequest", "Terminated", "catch_stop_signals", "raise_on_termination"]

#: Signals that ask a process to end: from other programs, and where its terminal is closed (not on Windows).
ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Terminated(SystemExit):
    """A signal asked the process to end. Where nobody catches this, the exit code is 128 + its number, as of shells.

    Args:
        number: Number of the signal.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(128 + number)


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
def raise_on_termination() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise `Terminated` while the block runs, as Ctrl-C raises `KeyboardInterrupt`.

    So work is broken off in good order: temporary files and processes are removed. A second signal ends the process at
    once. A signal that has a handler already or is ignored, as SIGHUP under `nohup`, keeps what it does; outside the
    main thread nothing changes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    caught = [number for number in ENDINGS if is_main and signal.getsignal(number) == signal.SIG_DFL]

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        _leave_closed_terminal()
        raise Terminated(number)

    for number in caught:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def catch_stop_signals() -> Iterator[StopRequest]:
    """Note the first SIGINT (Ctrl-C), SIGTERM or SIGHUP while the block runs, which then decides where to stop.

    A second signal of the same kind does what it did before the block. SIGHUP stays ignored where it is, as under
    `nohup`. Only the main thread can catch signals; in another one nothing is caught.

    Yields:
        The request, which becomes true with the first signal.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    earlier = {int(number): signal.getsignal(number) for number in (signal.SIGINT, *ENDINGS)}
    if hasattr(signal, "SIGHUP") and earlier[signal.SIGHUP] == signal.SIG_IGN:
        del earlier[signal.SIGHUP]

    def note(number: int, _: FrameType | None) -> None:
        request.signal_number = number
        signal.signal(number, earlier[number])
        _leave_closed_terminal()

    for number in earlier:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _leave_closed_terminal() -> None:
    """Let what is printed go nowhere where the terminal is closed; every write would fail, and the work with it."""
    for descriptor in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
