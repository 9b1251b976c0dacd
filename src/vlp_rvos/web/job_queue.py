"""Jobs of the page: one runs at a time, a limited number waits, and each can be stopped."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from enum import Enum

from vlp_rvos.errors import UserError, VLPRVOSError

__all__ = ["Job", "JobQueue", "State"]


class State(Enum):
    """Where a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class Job:
    """Work of one visitor.

    Args:
        work: does the work. It is called with the job in the queue's thread, and returns soon after `stopping` is set.

    Attributes:
        state: where the job is.
        problem: why it failed, for the visitor; empty where it did not.
        stopping: set when the job shall end.
        ended: set when the job has ended, however it did.
    """

    def __init__(self, work: Callable[[Job], None]) -> None:
        self._work = work
        self.state = State.WAITING
        self.problem = ""
        self.stopping = threading.Event()
        self.ended = threading.Event()

    def stop(self) -> None:
        """Ask the job to end. One that waits ends without having begun."""
        self.stopping.set()

    def run(self) -> None:
        """Do the work; failures are noted in the job, and not raised."""
        try:
            if not self.stopping.is_set():
                self.state = State.RUNNING
                self._work(self)
            self.state = State.STOPPED if self.stopping.is_set() else State.DONE
        except VLPRVOSError as error:
            self._fail(str(error))
        except MemoryError:
            self._fail("out of memory: use a smaller or shorter video")
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._fail(f"internal error: {type(error).__name__}: {error}")
        finally:
            self.ended.set()

    def _fail(self, problem: str) -> None:
        self.problem, self.state = problem, State.FAILED


class JobQueue:
    """Runs jobs one after the other, in a thread of its own, which ends with the process.

    Args:
        limit: number of jobs that may wait while one runs.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._closed = False
        threading.Thread(target=self._work, name="vlp-rvos jobs", daemon=True).start()

    def add(self, job: Job) -> None:
        """Put a job at the end of the queue.

        Raises:
            UserError: too many jobs wait already, or the queue is closed.
        """
        with self._changed:
            self._drop_stopped()
            if self._closed:
                raise UserError("the page is being shut down")
            if len(self._waiting) >= self.limit + (self._running is None):
                raise UserError(f"the queue is full ({len(self._waiting)} jobs wait): try again in a minute")
            self._waiting.append(job)
            self._changed.notify_all()

    def before(self, job: Job) -> int:
        """Number of jobs that will end before a job can begin; 0 for one that does not wait."""
        with self._changed:
            self._drop_stopped()
            return self._waiting.index(job) + (self._running is not None) if job in self._waiting else 0

    def stop(self, job: Job) -> None:
        """Stop a job; one that waits ends at once."""
        job.stop()
        with self._changed:
            self._drop_stopped()

    def close(self, seconds: float = 30.0) -> None:
        """Stop all jobs, and wait until the running one has ended, at most so long."""
        with self._changed:
            self._closed = True
            for job in self._waiting:
                job.stop()
            self._drop_stopped()
            running = self._running
            self._changed.notify_all()
        if running is not None:
            running.stop()
            running.ended.wait(seconds)

    def _drop_stopped(self) -> None:
        for job in [job for job in self._waiting if job.stopping.is_set()]:
            self._waiting.remove(job)
            job.run()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed and not self._waiting:
                    return
                job = self._running = self._waiting.pop(0)
            job.run()
            with self._changed:
                self._running = None
