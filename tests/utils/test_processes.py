"""Results come in the order of the jobs, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from vlp_rvos.errors import UserError, VLPRVOSError, VLPRVOSWarning
from vlp_rvos.utils.processes import CHUNKS_AHEAD, available_cores, ordered_map


def square(number: int) -> tuple[int, int]:
    """The first one takes longest."""
    if number < 0:
        raise UserError(f"{number} is negative")
    time.sleep(0.05 if number == 0 else 0)
    return number * number, os.getpid()


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("workers", "chunk"), [(1, 1), (2, 1), (2, 3)])
def test_results_in_order(workers: int, chunk: int) -> None:
    pairs = list(ordered_map(square, range(10), workers=workers, chunk=chunk))
    assert [(job, result) for job, (result, _) in pairs] == [(i, i * i) for i in range(10)]
    assert (os.getpid() in {process for _, (_, process) in pairs}) == (workers == 1)
    assert not multiprocessing.active_children()


def warn(number: int) -> int:
    warnings.warn(VLPRVOSWarning(f"{number} is odd"), stacklevel=1) if number % 2 else None
    warnings.warn("of somebody else", stacklevel=1)
    return number


@pytest.mark.filterwarnings("ignore:of somebody else")
@pytest.mark.parametrize("workers", [1, 2])
def test_warnings_come_from_every_process(workers: int) -> None:
    with pytest.warns(VLPRVOSWarning) as warned:
        assert [result for _, result in ordered_map(warn, range(4), workers=workers)] == [0, 1, 2, 3]
    assert [str(x.message) for x in warned if x.category is VLPRVOSWarning] == ["1 is odd", "3 is odd"]


def test_few_jobs_are_taken_ahead() -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    results = ordered_map(square, jobs(), workers=2, chunk=2)
    next(results)
    assert len(taken) <= 2 * 2 * CHUNKS_AHEAD
    results.close()
    assert not multiprocessing.active_children()


def test_the_first_failure_is_passed_on() -> None:
    with pytest.raises(UserError, match="-1 is negative"):
        list(ordered_map(square, [1, -1, -2], workers=2))
    assert not multiprocessing.active_children()


def test_a_failing_job_source_ends_the_processes() -> None:
    def jobs() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(ordered_map(square, jobs(), workers=2))
    assert not multiprocessing.active_children()


def test_a_process_that_dies() -> None:
    with pytest.raises(VLPRVOSError, match="died"):
        list(ordered_map(die, [1], workers=2))


def test_cores() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


SLOW_JOBS = """
import sys, time
from vlp_rvos.utils.processes import ordered_map
from vlp_rvos.utils.signals import Terminated, raise_on_termination

def main():
    with raise_on_termination():
        for _ in ordered_map(time.sleep, [0.01] * 100_000, workers=2):
            print("x", flush=True)

if __name__ == "__main__":
    try:
        main()
    except Terminated as ending:
        sys.exit(ending.code)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("whole_group", [True, False])
def test_a_signal_ends_all_processes(number: signal.Signals, whole_group: bool, tmp_path: Path) -> None:
    script = tmp_path / "slow_jobs.py"
    script.write_text(SLOW_JOBS)
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        if whole_group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (128 + number, b"")
    deadline = time.monotonic() + 20
    while is_alive(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
