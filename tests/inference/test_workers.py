from __future__ import annotations

import threading
from functools import partial

import pytest
import torch

from vlp_rvos.inference.workers import WorkerPool, collect_results


def who(number: int) -> tuple[int, str, int]:
    return number, threading.current_thread().name, torch.get_num_threads()


def test_this_thread_works_too() -> None:
    blocked, begun = threading.Event(), threading.Event()

    def slow() -> tuple[int, str, int]:
        begun.set()
        blocked.wait(30)
        return who(0)

    with WorkerPool(1) as helpers:
        first = helpers.submit(slow)
        others = [helpers.submit(partial(who, number)) for number in (1, 2)]
        later = [helpers.submit(partial(who, number)) for number in (3, 4)]
        assert begun.wait(30)

        def free() -> tuple[int, str, int]:
            blocked.set()
            return first.result()

        results = collect_results([first, *others], [*later, helpers.submit(free)])
        assert [number for number, _, _ in results] == [0, 1, 2]
        assert results[0][1:] == ("vlp-rvos-worker_0", 1)
        here = threading.current_thread().name
        assert [name for _, name, _ in results[1:]] == [here, here]
        # What was not needed was done here meanwhile, because the helper was busy.
        assert [job.done() for job in later] == [True, True]
        assert [job.result()[1] for job in later] == [here, here]


def test_later_jobs_wait_where_nothing_is_waited_for() -> None:
    with WorkerPool(1) as helpers:
        hold = threading.Event()
        done = helpers.submit(partial(who, 0))
        done.result()
        busy = helpers.submit(lambda: hold.wait(30))
        later = helpers.submit(partial(who, 1))
        assert collect_results([done], [later])[0][0] == 0
        assert not later.done()
        hold.set()
        assert busy.result()


def test_failures_and_what_is_left_undone() -> None:
    threads = threading.active_count()

    def broken() -> int:
        raise ValueError("no good")

    with WorkerPool(1) as helpers:
        with pytest.raises(ValueError, match="no good"):
            helpers.submit(broken).result()
        with pytest.raises(ValueError, match="no good"):
            collect_results([helpers.submit(broken), helpers.submit(broken)])
    hold, begun = threading.Event(), threading.Event()
    ran: list[int] = []

    def busy() -> bool:
        begun.set()
        return hold.wait(30)

    with WorkerPool(1) as helpers:
        first = helpers.submit(busy)
        dropped, left = helpers.submit(partial(ran.append, 1)), helpers.submit(partial(ran.append, 2))
        assert begun.wait(30)
        assert not first.cancel()
        assert dropped.cancel()
        threading.Timer(0.05, hold.set).start()
    assert first.result()
    assert left.cancel()
    assert not ran
    assert threading.active_count() == threads
