"""Worker threads for small jobs whose results another thread needs soon; that thread helps while it waits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

from vlp_rvos.runtimes.threads import limit_threads

__all__ = ["Job", "WorkerPool", "collect_results"]

Result = TypeVar("Result")


class Job(Generic[Result]):
    """A function call that is queued for a worker thread.

    Args:
        executor: the executor whose threads run the job.
        work: the function to call.
    """

    def __init__(self, executor: ThreadPoolExecutor, work: Callable[[], Result]) -> None:
        self._work = work
        self._future = executor.submit(work)

    def cancel(self) -> bool:
        """Cancel the job. Returns True if it had not started."""
        return self._future.cancel()

    def run_here(self) -> None:
        """Run the job in the calling thread, unless a worker has started it already."""
        if self._future.cancel():
            done: Future[Result] = Future()
            done.set_result(self._work())
            self._future = done

    def done(self) -> bool:
        """Whether the job has ended, so that `result` returns at once."""
        return self._future.done()

    def result(self) -> Result:
        """The job's return value, or the exception that it raised; waits until the job has ended."""
        return self._future.result()


class WorkerPool:
    """A pool of worker threads, each of which computes with a single thread of PyTorch.

    When all processors share one PyTorch operation, each waits for the slowest. Workers with one thread each are
    independent: where another program takes a processor for a while, the other workers go on.

    Args:
        count: number of worker threads.

    Example:
        >>> with WorkerPool(3) as pool:                                            # doctest: +SKIP
        ...     jobs = [pool.submit(partial(embed, frame)) for frame in frames]
        ...     embedded = collect_results(jobs)
    """

    def __init__(self, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, "vlp-rvos-worker", partial(limit_threads, 1))

    def submit(self, work: Callable[[], Result]) -> Job[Result]:
        """Queue a function call; jobs start in the order in which they were submitted."""
        return Job(self._executor, work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Jobs that have started are finished; the others are cancelled.
        self._executor.shutdown(cancel_futures=True)


def collect_results(jobs: Sequence[Job[Result]], later: Iterable[Job[Result]] = ()) -> list[Result]:
    """Wait for jobs and return their results in order; the calling thread runs jobs itself while it waits.

    Args:
        jobs: the jobs whose results are needed.
        later: further jobs that the calling thread may run while workers are still busy with `jobs`.

    Raises:
        Exception: the first exception that one of `jobs` raised.
    """
    for job in itertools.chain(jobs, later):
        if all(needed.done() for needed in jobs):
            break
        job.run_here()
    return [job.result() for job in jobs]
