"""A service without processes and sockets: the paths of the real one, with a tiny model in a thread as its worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from stubs import tiny_model

from vlp_rvos import Segmenter
from vlp_rvos.serving.access_guard import AccessGuard
from vlp_rvos.serving.segmentation_service import SegmentationService
from vlp_rvos.serving.segmentation_worker import SegmentationWorker
from vlp_rvos.serving.service_options import ServiceOptions
from vlp_rvos.serving.serving_engine import add_routes
from vlp_rvos.serving.tasks import Notice, Task

TOKEN = "a token of some length"


class ThreadEngine:
    """Runs tasks in threads, one notice at a time; it records the tasks."""

    def __init__(self, max_seconds: float = 60.0) -> None:
        # With the usual threshold, the masks of random weights are empty, and those of one are those of another.
        self.worker = SegmentationWorker(Segmenter(tiny_model(), threshold=0.2, presence_threshold=0.0), max_seconds)
        self.tasks: list[Task] = []
        self.gate: asyncio.Event | None = None

    async def submit(self, task: Task) -> AsyncGenerator[Notice, None]:
        """Run a task; it waits for `gate` before it starts."""
        self.tasks.append(task)
        if self.gate is not None:
            await self.gate.wait()
        notices = self.worker.run(task)
        while (notice := await asyncio.to_thread(next, notices, None)) is not None:
            yield notice


def make_service(folder: Path, **limits: Any) -> tuple[FastAPI, SegmentationService, ThreadEngine]:
    """A service as an app, without a guard."""
    folder.mkdir(exist_ok=True)
    options = ServiceOptions(**limits)
    engine = ThreadEngine(options.max_seconds)
    service = SegmentationService(engine, options, folder)
    app = FastAPI()
    add_routes(app, service, with_token=False)
    return app, service, engine


def guarded(app: FastAPI, max_bytes: int = 10**6, token: str | None = None) -> FastAPI:
    """The same app behind a guard; it takes one guard only, so it is called once for each app."""

    async def start() -> None:
        pass

    app.add_middleware(AccessGuard, token=token, max_bytes=max_bytes, on_start=start)
    return app


def lines_of(text: str) -> list[dict[str, Any]]:
    """The lines of an answer."""
    return [json.loads(line) for line in text.splitlines()]
