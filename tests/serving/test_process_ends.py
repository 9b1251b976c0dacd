"""A signal breaks off what runs as LitServe needs it, and then ends the program as the signal asks."""

from __future__ import annotations

import os
import signal

import pytest

from vlp_rvos.serving.process_ends import interrupt_on_signals
from vlp_rvos.utils.signals import Terminated


def stopped_by(number: int) -> bool:
    """Send this process a signal, and swallow the interruption, as LitServe does."""
    try:
        os.kill(os.getpid(), number)
        signal.pause()
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGTERM, Terminated), (signal.SIGHUP, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_what_swallows_the_interruption_ends_nevertheless(number: int, kind: type[BaseException]) -> None:
    earlier = signal.getsignal(number)
    with pytest.raises(kind), interrupt_on_signals():
        assert stopped_by(number)
    assert signal.getsignal(number) == earlier


def test_without_a_signal_nothing_happens() -> None:
    with interrupt_on_signals():
        pass
    with pytest.raises(KeyboardInterrupt), interrupt_on_signals():
        raise KeyboardInterrupt
