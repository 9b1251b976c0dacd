"""How the processes of the service end: on a signal in good order, and never later than the one that started them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vlp_rvos.utils.signals import Terminated

__all__ = ["end_forks_with_parent", "end_with_parent", "interrupt_on_signals"]

#: Seconds between two looks at whether the parent is alive.
INTERVAL = 1.0


def end_with_parent(parent: int) -> None:
    """End this process when its parent has ended, so that none is left behind where the program was killed.

    Args:
        parent: number of the parent's process.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(INTERVAL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_forks_with_parent() -> None:
    """Let every process that this one forks from now on end when this one has ended."""
    parent = os.getpid()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: end_with_parent(parent))


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Break the block off with `KeyboardInterrupt` on SIGINT, SIGTERM or SIGHUP, and then end as the signal asks.

    LitServe stops in good order on `KeyboardInterrupt` alone: another exception finds its connection to the process
    that holds its queues in the middle of an exchange, and waits for ever. It also forgets the interruption, so this
    is raised again. A second signal ends the process at once.

    Raises:
        Terminated: SIGTERM or SIGHUP came.
        KeyboardInterrupt: SIGINT came.
    """
    owner, came = os.getpid(), list[int]()

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != owner:
            # In a process that was forked from this one; the web server raises its signal again when it has stopped.
            raise Terminated(number)
        came.append(number)
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    earlier = {number: signal.getsignal(number) for number in numbers}
    for number, handler in earlier.items():
        # What is ignored stays so, as SIGHUP under nohup.
        if handler != signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        if not came:
            raise
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt if came[0] == signal.SIGINT else Terminated(came[0])
