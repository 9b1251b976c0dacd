from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vlp_rvos.utils.signals import StopRequest, Terminated, catch_stop_signals, raise_on_termination

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with catch_stop_signals() as stop:
        assert not stop
        assert stop.signal_number is None
        os.kill(os.getpid(), number)
        assert stop
        assert stop.signal_number == number
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_one_does_what_it_did_before(number: signal.Signals) -> None:
    received: list[int] = []
    before = signal.signal(number, lambda number, _: received.append(number))
    try:
        with catch_stop_signals() as stop:
            os.kill(os.getpid(), number)
            assert received == []
            os.kill(os.getpid(), number)
            assert received == [number]
        assert stop
        os.kill(os.getpid(), number)
        assert received == [number, number]
    finally:
        signal.signal(number, before)


def test_handlers_come_back_after_a_failure() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(RuntimeError), catch_stop_signals():
        raise RuntimeError
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_another_thread_catches_nothing() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    seen: list[tuple[StopRequest, bool]] = []

    def work() -> None:
        with catch_stop_signals() as stop:
            seen.append((stop, [signal.getsignal(number) for number in SIGNALS] == before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    ((stop, unchanged),) = seen
    assert unchanged
    assert not stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_termination_becomes_an_exception_of_its_own(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    assert before == signal.SIG_DFL
    with pytest.raises(Terminated) as caught, raise_on_termination():
        os.kill(os.getpid(), number)
    assert caught.value.code == 128 + number
    assert signal.getsignal(number) == before


def test_a_hangup_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raise_on_termination(), catch_stop_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not stop
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


AFTER_A_HANGUP = """
import fcntl, sys, termios, time
from pathlib import Path
from vlp_rvos.utils.signals import catch_stop_signals

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
with catch_stop_signals() as stop:
    print("ready", flush=True)
    while not stop:
        time.sleep(0.01)
    print("the terminal is gone", flush=True)
    print("here too", file=sys.stderr, flush=True)
    Path(sys.argv[1]).write_text(str(stop.signal_number))
"""


def test_work_ends_in_good_order_after_its_terminal_was_closed(tmp_path: Path) -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-c", AFTER_A_HANGUP, str(tmp_path / "end")]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        said = b""
        while b"ready" not in said:
            said += os.read(terminal, 1000)
        os.close(terminal)
        assert process.wait(30) == 0
    assert (tmp_path / "end").read_text() == str(int(signal.SIGHUP))


def test_a_handler_that_is_there_stays() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        with raise_on_termination():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


def test_a_stop_request_comes_first() -> None:
    with raise_on_termination(), catch_stop_signals() as request:
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.signal_number == signal.SIGTERM
        with pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)
