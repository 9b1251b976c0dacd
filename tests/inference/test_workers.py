"""Worker threads run jobs, and the thread that waits for them helps."""

from __future__ import annotations

import threading
from functools import partial

import pytest
import torch

from vlp_rvos.inference.workers import WorkerPool, collect_results


def who(number: int) -> tuple[int, str, int]:
    return number, threading.current_thread().name, torch.get_num_threads()


def test_the_waiting_thread_runs_jobs_too() -> None:
    blocked, begun = threading.Event(), threading.Event()

    def slow() -> tuple[int, str, int]:
        begun.set()
        blocked.wait(30)
        return who(0)

    with WorkerPool(1) as pool:
        first = pool.submit(slow)
        others = [pool.submit(partial(who, number)) for number in (1, 2)]
        later = [pool.submit(partial(who, number)) for number in (3, 4)]
        assert begun.wait(30)

        def free() -> tuple[int, str, int]:
            blocked.set()
            return first.result()

        results = collect_results([first, *others], [*later, pool.submit(free)])
        assert [number for number, _, _ in results] == [0, 1, 2]
        assert results[0][1:] == ("vlp-rvos-worker_0", 1)
        here = threading.current_thread().name
        assert [name for _, name, _ in results[1:]] == [here, here]
        # This thread ran the later jobs too, because the worker was busy.
        assert [job.done() for job in later] == [True, True]
        assert [job.result()[1] for job in later] == [here, here]


def test_later_jobs_stay_queued_when_all_results_are_there() -> None:
    with WorkerPool(1) as pool:
        hold = threading.Event()
        done = pool.submit(partial(who, 0))
        done.result()
        busy = pool.submit(lambda: hold.wait(30))
        later = pool.submit(partial(who, 1))
        assert collect_results([done], [later])[0][0] == 0
        assert not later.done()
        hold.set()
        assert busy.result()


def test_failures_and_jobs_that_are_cancelled() -> None:
    threads = threading.active_count()

    def broken() -> int:
        raise ValueError("no good")

    with WorkerPool(1) as pool:
        with pytest.raises(ValueError, match="no good"):
            pool.submit(broken).result()
        with pytest.raises(ValueError, match="no good"):
            collect_results([pool.submit(broken), pool.submit(broken)])
    hold, begun = threading.Event(), threading.Event()
    ran: list[int] = []

    def busy() -> bool:
        begun.set()
        return hold.wait(30)

    with WorkerPool(1) as pool:
        first = pool.submit(busy)
        cancelled, left = pool.submit(partial(ran.append, 1)), pool.submit(partial(ran.append, 2))
        assert begun.wait(30)
        assert not first.cancel()
        assert cancelled.cancel()
        threading.Timer(0.05, hold.set).start()
    assert first.result()
    assert left.cancel()
    assert not ran
    assert threading.active_count() == threads
