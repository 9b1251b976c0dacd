"""Threads that do small jobs ahead, beside the thread that needs the results and that helps them meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

from vlp_rvos.openmp import limit_threads

__all__ = ["Helpers", "Job", "finish"]

Result = TypeVar("Result")


class Job(Generic[Result]):
    """Work that is waiting for a thread.

    Args:
        executor: whose threads are to do it.
        work: what to do.
    """

    def __init__(self, executor: ThreadPoolExecutor, work: Callable[[], Result]) -> None:
        self._work = work
        self._future = executor.submit(work)

    def drop(self) -> bool:
        """Leave it undone; whether that was still to be had."""
        return self._future.cancel()

    def help(self) -> None:
        """Do it in this thread, unless one has begun it."""
        if self._future.cancel():
            done: Future[Result] = Future()
            done.set_result(self._work())
            self._future = done

    def done(self) -> bool:
        """Whether `result` would not wait."""
        return self._future.done()

    def result(self) -> Result:
        """What came out of it; raises what the work raised."""
        return self._future.result()


class Helpers:
    """Threads, each of which computes with one thread of the tensor library.

    Jobs that each have a processor to themselves need not wait for each other, as the parts of one operation do that
    all processors share. So where something else takes a processor for a while, the other goes on.

    Args:
        count: how many.

    Example:
        >>> with Helpers(3) as helpers:
        ...     jobs = [helpers.job(partial(look, frame)) for frame in frames]
        ...     looks = finish(jobs)
    """

    def __init__(self, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, "vlp-rvos-helper", partial(limit_threads, 1))

    def job(self, work: Callable[[], Result]) -> Job[Result]:
        """Queue work; it is done in order."""
        return Job(self._executor, work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # What has begun is finished, nothing else.
        self._executor.shutdown(cancel_futures=True)


def finish(jobs: Sequence[Job[Result]], later: Iterable[Job[Result]] = ()) -> list[Result]:
    """The results of jobs, in order; until all are there this thread works too.

    Args:
        jobs: that are needed.
        later: that this thread may do while threads are still busy with those.

    Raises:
        Exception: what a job raised.
    """
    for job in itertools.chain(jobs, later):
        if all(needed.done() for needed in jobs):
            break
        job.help()
    return [job.result() for job in jobs]
