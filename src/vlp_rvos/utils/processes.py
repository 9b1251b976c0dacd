"""Spread work over several processes and take the results in the order of the jobs."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from queue import SimpleQueue
from typing import Any, TypeVar

from vlp_rvos.errors import VLPRVOSError, VLPRVOSWarning

__all__ = ["available_cores", "ordered_map"]

Job = TypeVar("Job")
Result = TypeVar("Result")

#: Chunks of jobs that wait for each process: enough to keep it busy, few enough to bound the memory.
CHUNKS_AHEAD = 3

# The function that a worker process applies; set once, when the process starts.
_function: Callable[[Any], Any] | None = None


def available_cores() -> int:
    """Number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    function: Callable[[Job], Result], jobs: Iterable[Job], *, workers: int, chunk: int = 1
) -> Iterator[tuple[Job, Result]]:
    """Apply a function to jobs in several processes, and yield pairs of job and result in the order of the jobs.

    Jobs are taken from their iterator only a few chunks ahead of the results, so there may be many and large ones. A
    failure or an interruption stops the processes, which print nothing themselves. A `VLPRVOSWarning` of a process is
    given again in this one.

    Args:
        function: The function. It is sent to every process once; with more than one worker it must be picklable.
        jobs: The jobs, which must be picklable too.
        workers: Number of processes; 1 or less does the work in this process.
        chunk: Number of jobs that are sent to a process at a time.

    Raises:
        VLPRVOSError: A process died.
        Exception: Whatever the function raised first, in the order of the jobs.
    """
    if workers <= 1:
        for job in jobs:
            yield job, function(job)
        return
    # Fresh processes: a forked copy of a process that runs threads, such as PyTorch's, may hang.
    with _interruptions_held():
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _prepare, (function,))
    waiting: deque[tuple[list[Job], Future[tuple[list[Result], list[str]]]]] = deque()
    # A signal that raises in the wait of a future itself can leave its lock in a state that ends in another error.
    ended: SimpleQueue[Future[Any]] = SimpleQueue()
    remaining = iter(jobs)
    try:
        while True:
            while len(waiting) < workers * CHUNKS_AHEAD and (taken := list(itertools.islice(remaining, chunk))):
                # The pool starts its processes in here.
                with _interruptions_held():
                    waiting.append((taken, pool.submit(_apply, taken)))
                    waiting[-1][1].add_done_callback(ended.put)
            if not waiting:
                return
            done, future = waiting.popleft()
            while not future.done():
                ended.get()
            results, messages = future.result()
            for message in messages:
                warnings.warn(message, VLPRVOSWarning, stacklevel=2)
            yield from zip(done, results, strict=True)
    except BrokenProcessPool as error:
        # A signal to the whole process group ends the other processes too. Its own error then comes now.
        time.sleep(0.1)
        raise VLPRVOSError("a worker process died, perhaps for lack of memory; try fewer workers") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interruptions_held() -> Iterator[None]:
    """Start processes that Ctrl-C and SIGHUP do not reach, not even before they can say that they ignore it.

    A process inherits which signals are held back. In this one, an interruption comes at the end of the block.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        # A process of Python's own, which must outlive a SIGHUP too. Started later, it would let SIGINT through.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def _prepare(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    # Ctrl-C reaches every process of the terminal. The main process stops the others. SIGHUP stays held back.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _apply(jobs: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """The results, and the texts of the warnings."""
    assert _function is not None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", VLPRVOSWarning)
        results = [_function(job) for job in jobs]
    return results, [str(warning.message) for warning in caught]
