"""Who waits, who is next, and what everybody hears when a worker dies, time runs out or the service stops."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from vlp_rvos.serving.refusal import Refusal
from vlp_rvos.serving.service_metrics import ServiceMetrics
from vlp_rvos.serving.service_options import ServiceOptions
from vlp_rvos.serving.tasks import Notice, Task, VideoTask
from vlp_rvos.serving.waiting_room import Ticket, WaitingRoom


class SilentEngine:
    """An engine that says what it is told to, and then nothing more."""

    def __init__(self, worker: int = 0) -> None:
        self.worker, self.tasks = worker, list[Task]()

    async def submit(self, task: Task) -> AsyncGenerator[Notice, None]:
        self.tasks.append(task)
        if self.worker:
            for request in task.requests:
                yield Notice(request.id, "started", worker=self.worker)
        await asyncio.Event().wait()


def room_in(folder: Path, engine: SilentEngine, **limits: float) -> WaitingRoom:
    return WaitingRoom(engine, ServiceOptions(**limits), folder, ServiceMetrics())  # type: ignore[arg-type]


def submit(room: WaitingRoom, ticket: Ticket, key: str) -> None:
    request = ticket.request(["a dog"], "ndjson")
    room.submit(ticket, request, key, lambda requests: VideoTask(requests, key, key))


def test_requests_with_one_key_become_one_task_when_a_worker_is_free(tmp_path: Path) -> None:
    async def ask() -> list[list[str]]:
        engine = SilentEngine()
        room = room_in(tmp_path, engine, workers=2)
        for i, key in enumerate(["first", "second", "cat", "dog", "cat"]):
            submit(room, room.enter(f"{i}", "ndjson"), key)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (room.running, room.waiting) == (2, 3)
        for run in list(room._running)[:1]:
            run.cancel()
        for _ in range(9):
            await asyncio.sleep(0)
        room.stop()
        return [[request.id for request in task.requests] for task in engine.tasks]

    assert asyncio.run(ask()) == [["0"], ["1"], ["2", "4"]]


def test_a_dead_worker_ends_its_requests(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()

    async def ask() -> None:
        room = room_in(tmp_path, SilentEngine(worker=child.pid))
        ticket = room.enter("a", "ndjson")
        submit(room, ticket, "video")
        with pytest.raises(Refusal, match="worker of this request has ended") as refused:
            await room.next_notice(ticket)
        assert refused.value.status == 500

    asyncio.run(ask())


def test_waiting_ends_in_time(tmp_path: Path) -> None:
    async def ask() -> None:
        room = room_in(tmp_path, SilentEngine(), timeout=0.05)
        submit(room, room.enter("a", "ndjson"), "first")
        ticket = room.enter("b", "ndjson")
        submit(room, ticket, "second")
        began = time.monotonic()
        with pytest.raises(Refusal, match="no worker was free") as refused:
            await room.next_notice(ticket)
        assert (refused.value.status, refused.value.retry_after is not None) == (503, True)
        assert time.monotonic() - began < 15
        room.stop()

    asyncio.run(ask())


def test_who_leaves_makes_room_and_takes_the_files_along(tmp_path: Path) -> None:
    async def ask() -> None:
        room = room_in(tmp_path, SilentEngine(), queue=0)
        ticket = room.enter("a", "ndjson")
        (ticket.folder / "results").write_text("masks")
        with pytest.raises(Refusal) as refused:
            room.enter("b", "ndjson")
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "5")
        room.leave(ticket)
        room.leave(ticket)
        assert list(tmp_path.iterdir()) == []
        room.enter("b", "ndjson")

    asyncio.run(ask())


def test_what_still_runs_after_the_grace_is_told(tmp_path: Path) -> None:
    async def ask() -> None:
        room = room_in(tmp_path, SilentEngine())
        ticket = room.enter("a", "ndjson")
        submit(room, ticket, "video")
        room.stop()
        assert ticket.inbox.empty()
        room.break_off()
        with pytest.raises(Refusal, match="the service has stopped"):
            await room.next_notice(ticket)

    asyncio.run(ask())
