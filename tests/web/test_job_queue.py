from __future__ import annotations

import threading

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.web.job_queue import Job, JobQueue, State


def held_job() -> tuple[Job, threading.Event]:
    """A job that runs until it is stopped, and an event that says that it has begun."""
    began = threading.Event()

    def work(job: Job) -> None:
        began.set()
        job.stopping.wait(20)

    return Job(work), began


def test_jobs_run_one_after_the_other() -> None:
    queue, order = JobQueue(2), []
    held, began = held_job()
    queue.add(held)
    assert began.wait(20)
    jobs = [Job(lambda job, i=i: order.append(i)) for i in range(2)]
    for job in jobs:
        queue.add(job)
    assert [queue.before(job) for job in jobs] == [1, 2]
    assert [job.state for job in jobs] == [State.WAITING] * 2
    with pytest.raises(UserError, match="queue is full"):
        queue.add(Job(lambda job: None))
    queue.stop(held)
    assert all(job.ended.wait(20) for job in (held, *jobs))
    assert order == [0, 1]
    assert (held.state, jobs[0].state) == (State.STOPPED, State.DONE)
    queue.close()


def test_a_waiting_job_that_is_stopped_never_begins() -> None:
    queue, ran = JobQueue(2), []
    held, began = held_job()
    queue.add(held)
    assert began.wait(20)
    waiting = Job(ran.append)
    queue.add(waiting)
    queue.stop(waiting)
    assert waiting.ended.is_set()
    assert waiting.state is State.STOPPED
    assert queue.before(waiting) == 0
    queue.close()
    assert held.ended.is_set()
    assert ran == []
    with pytest.raises(UserError, match="shut down"):
        queue.add(Job(ran.append))


@pytest.mark.parametrize(
    ("error", "problem"),
    [(UserError("no such thing"), "no such thing"), (MemoryError(), "out of memory"), (KeyError("x"), "KeyError")],
)
def test_failures_are_told_and_the_queue_goes_on(error: Exception, problem: str) -> None:
    def fail(job: Job) -> None:
        raise error

    queue, bad, good = JobQueue(2), Job(fail), Job(lambda job: None)
    queue.add(bad)
    queue.add(good)
    assert good.ended.wait(20)
    assert bad.state is State.FAILED
    assert problem in bad.problem
    queue.close()
