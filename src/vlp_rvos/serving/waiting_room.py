"""Requests that wait for a worker or are worked on: who is let in, who is next, and who gets which answer.

The engine never gets more tasks than there are workers, so all waiting is done here, where it is bounded, where
requests about one video find each other, and where they can be handed back when the service stops.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from vlp_rvos.serving.refusal import Refusal
from vlp_rvos.serving.service_metrics import ServiceMetrics
from vlp_rvos.serving.service_options import ServiceOptions
from vlp_rvos.serving.tasks import Notice, Output, Request, Task

__all__ = ["Engine", "Ticket", "WaitingRoom"]

#: Seconds after which a client should come back to a service that stops: there is another one by then.
RETRY_AFTER_STOP = 5
#: Longest time that a client is told to wait, in seconds.
MAX_RETRY = 120
#: Seconds that a worker may be late before it is given up; its own watchdog acts before.
LATENESS = 20.0
#: Seconds between two looks at whether a worker is alive.
INTERVAL = 1.0


class Engine(Protocol):
    """What runs tasks in worker processes."""

    def submit(self, task: Task) -> AsyncGenerator[Notice, None]:
        """Run a task in a free worker, and yield what it says."""


@dataclass(eq=False)
class Ticket:
    """The place of one request.

    Attributes:
        id: name of the request.
        folder: folder for the files of the request.
        output: what the request wants back; "live" for a live source.
        deadline: `time.monotonic` at which it must be answered.
        inbox: what the worker says about it.
    """

    id: str
    folder: Path
    output: str
    deadline: float
    arrived: float = field(default_factory=time.monotonic)
    inbox: asyncio.Queue[Notice] = field(default_factory=asyncio.Queue)
    is_answered: bool = False
    frames: int = 0

    def request(self, expressions: list[str], output: Output) -> Request:
        """The request, for a worker."""
        return Request(self.id, str(self.folder), tuple(expressions), output, self.deadline)


@dataclass(frozen=True)
class _Entry:
    ticket: Ticket
    request: Request
    key: Hashable
    build: Callable[[tuple[Request, ...]], Task]


class WaitingRoom:
    """Lets requests in, hands them to workers, and brings their answers back.

    Args:
        engine: runs the tasks.
        options: the limits.
        folder: folder for the folders of requests.
        metrics: what is counted.
    """

    def __init__(self, engine: Engine, options: ServiceOptions, folder: Path, metrics: ServiceMetrics) -> None:
        self.engine, self.options, self.folder, self.metrics = engine, options, folder, metrics
        self._stopped, self._left = asyncio.Event(), asyncio.Event()
        self._inside: set[Ticket] = set()
        self._waiting: list[_Entry] = []
        self._running: set[asyncio.Task[None]] = set()
        #: Mean seconds that a request takes, of the recent ones.
        self._mean = 5.0

    @property
    def is_open(self) -> bool:
        """Whether requests are let in."""
        return not self._stopped.is_set()

    @property
    def is_empty(self) -> bool:
        """Whether nobody is inside."""
        return not self._inside

    @property
    def waiting(self) -> int:
        """Number of requests that wait for a worker."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Number of tasks that workers work on."""
        return len(self._running)

    def enter(self, name: str, output: str, seconds: float | None = None) -> Ticket:
        """Let a request in, before its upload is read.

        Args:
            name: name of the request, which no other one has.
            output: what it wants back.
            seconds: time that it may take; None for the usual one.

        Raises:
            Refusal: the room is full, or the service stops.
        """
        self.check_open()
        if len(self._inside) >= self.options.workers + self.options.queue:
            self.metrics.shed.inc()
            raise Refusal(429, "too many requests; ask again later", self._retry_after())
        folder = self.folder / name
        folder.mkdir()
        ticket = Ticket(name, folder, output, time.monotonic() + (seconds or self.options.timeout))
        self._inside.add(ticket)
        return ticket

    def check_open(self) -> None:
        """Raise an error when the service stops.

        Raises:
            Refusal: the service stops.
        """
        if not self.is_open:
            raise Refusal(503, "the service is stopping; ask again", RETRY_AFTER_STOP)

    def submit(
        self, ticket: Ticket, request: Request, key: Hashable, build: Callable[[tuple[Request, ...]], Task]
    ) -> None:
        """Let a request wait for a worker.

        Args:
            ticket: its ticket.
            request: the request.
            key: requests with equal keys that wait at the same time become one task.
            build: makes a task of such requests.

        Raises:
            Refusal: the service stops.
        """
        self.check_open()
        self._waiting.append(_Entry(ticket, request, key, build))
        self._dispatch()

    async def next_notice(self, ticket: Ticket) -> Notice:
        """The next thing that a worker says about a request; "started" is not passed on.

        Raises:
            Refusal: the request failed, or is out of time.
        """
        while True:
            left = ticket.deadline + LATENESS + 1 - time.monotonic()
            if any(entry.ticket is ticket for entry in self._waiting):
                left = ticket.deadline - time.monotonic()
            try:
                async with asyncio.timeout(max(left, 0)):
                    notice = await ticket.inbox.get()
            except TimeoutError:
                raise Refusal(503, "no worker was free in time; ask again", self._retry_after()) from None
            if notice.kind == "failed":
                raise Refusal(notice.status, notice.message, RETRY_AFTER_STOP if notice.status == 503 else None)
            if notice.kind != "started":
                return notice

    def leave(self, ticket: Ticket) -> None:
        """The request is over, whether it was answered or given up; its files go, and work on it stops."""
        if ticket not in self._inside:
            return
        self._inside.discard(ticket)
        self._waiting = [entry for entry in self._waiting if entry.ticket is not ticket]
        seconds = time.monotonic() - ticket.arrived
        self.metrics.seconds.labels(ticket.output).observe(seconds)
        # First renamed: a worker that is just making a file in the folder makes it nowhere.
        gone = ticket.folder.with_name(f"{ticket.id}.gone")
        os.rename(ticket.folder, gone)
        shutil.rmtree(gone, ignore_errors=True)
        self._left.set()

    def stop(self) -> None:
        """Let nobody in any more, and hand waiting requests back."""
        self._stopped.set()
        for entry in self._waiting:
            self._deliver(
                entry.ticket, Notice(entry.ticket.id, "failed", status=503, message="the service is stopping")
            )
        self._waiting.clear()

    async def stopped(self) -> None:
        """Wait until the service stops."""
        await self._stopped.wait()

    async def emptied(self) -> None:
        """Wait until nobody is inside."""
        while not self.is_empty:
            self._left.clear()
            await self._left.wait()

    def break_off(self) -> None:
        """End what is still being worked on."""
        for ticket in self._inside:
            self._refuse(ticket, 503, "the service has stopped; ask again")

    def _retry_after(self) -> int:
        seconds = self._mean * max(1, len(self._inside)) / self.options.workers
        return math.ceil(min(max(seconds, 1), MAX_RETRY))

    def _dispatch(self) -> None:
        while self._waiting and len(self._running) < self.options.workers:
            key = self._waiting[0].key
            group = [entry for entry in self._waiting if entry.key == key]
            self._waiting = [entry for entry in self._waiting if entry.key != key]
            if len(group) > 1:
                self.metrics.shared.inc(len(group))
            run = asyncio.get_running_loop().create_task(self._run(group))
            self._running.add(run)
            run.add_done_callback(self._ended)

    def _ended(self, run: asyncio.Task[None]) -> None:
        self._running.discard(run)
        self._dispatch()

    async def _run(self, group: list[_Entry]) -> None:
        began = time.monotonic()
        for entry in group:
            self.metrics.waited.observe(began - entry.ticket.arrived)
        tickets = {entry.ticket.id: entry.ticket for entry in group}
        workers: set[int] = set()
        pump = asyncio.create_task(
            self._pump(group[0].build(tuple(entry.request for entry in group)), tickets, workers)
        )
        try:
            last = max(ticket.deadline for ticket in tickets.values()) + LATENESS
            while not (await asyncio.wait({pump}, timeout=INTERVAL))[0]:
                if time.monotonic() > last or not all(map(_is_alive, workers)):
                    break
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        finally:
            pump.cancel()
            self._mean += 0.2 * ((time.monotonic() - began) / len(group) - self._mean)
            for ticket in tickets.values():
                self._refuse(ticket, 500, "the worker of this request has ended; its memory may be too small")

    async def _pump(self, task: Task, tickets: dict[str, Ticket], workers: set[int]) -> None:
        async for notice in self.engine.submit(task):
            if notice.kind == "started":
                workers.add(notice.worker)
            self._deliver(tickets[notice.request], notice)

    def _refuse(self, ticket: Ticket, status: int, message: str) -> None:
        self._deliver(ticket, Notice(ticket.id, "failed", status=status, message=message))

    def _deliver(self, ticket: Ticket, notice: Notice) -> None:
        if ticket.is_answered:
            return
        self.metrics.frames.inc(max(0, notice.frames - ticket.frames))
        ticket.frames = max(ticket.frames, notice.frames)
        ticket.is_answered = notice.kind in ("finished", "failed")
        ticket.inbox.put_nowait(notice)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
