"""The parts of the service in the web process, and what ties them together."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from vlp_rvos.serving.request_forms import Question
from vlp_rvos.serving.service_metrics import ServiceMetrics
from vlp_rvos.serving.service_options import ServiceOptions
from vlp_rvos.serving.tasks import LiveTask, Request, VideoTask
from vlp_rvos.serving.video_store import StoredVideo, VideoStore
from vlp_rvos.serving.waiting_room import Engine, Ticket, WaitingRoom

__all__ = ["LAST_LINES", "SegmentationService"]

#: Seconds between two looks for expired videos.
INTERVAL = 10.0
#: Seconds in which the last lines of what was running reach their readers.
LAST_LINES = 2.0


class SegmentationService:
    """What the paths of the service share.

    Args:
        engine: runs tasks in worker processes.
        options: the limits.
        folder: an empty folder for everything that is written.

    Attributes:
        room: requests that wait or are worked on.
        store: uploaded videos.
        metrics: what is counted.
    """

    def __init__(self, engine: Engine, options: ServiceOptions, folder: Path) -> None:
        self.options, self.metrics = options, ServiceMetrics()
        for name in ("requests", "videos"):
            (folder / name).mkdir()
        self.room = WaitingRoom(engine, options, folder / "requests", self.metrics)
        self.store = VideoStore(folder / "videos", options)
        self.metrics.watch(lambda: self.room.waiting, lambda: self.room.running, lambda: len(self.store))
        self._background: set[asyncio.Task[None]] = set()

    def submit_video(self, ticket: Ticket, video: StoredVideo, name: str, question: Question) -> None:
        """Let a request about a video wait for a worker, together with others about the same frames of it.

        Raises:
            Refusal: the service stops.
        """
        every, start, end = question.every, question.start, question.end
        # Frames of another size have slightly other colours, so they are not shared.
        key = (video.key, every, start, end, question.output == "ndjson")

        def build(requests: tuple[Request, ...]) -> VideoTask:
            return VideoTask(requests, str(video.path), name, every, start, end)

        self.room.submit(ticket, ticket.request(question.expressions, question.output), key, build)

    def submit_live(self, ticket: Ticket, expressions: list[str], fps: float, clip: int) -> None:
        """Let a live source wait for a worker of its own.

        Raises:
            Refusal: the service stops.
        """
        request = ticket.request(expressions, "ndjson")
        self.room.submit(ticket, request, ticket.id, lambda requests: LiveTask(requests, fps, clip))

    async def start(self, address: str) -> None:
        """Begin to serve: stop in good order on a signal, and say where the service is."""
        sweeping = asyncio.create_task(self._sweep())
        self._background.add(sweeping)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            earlier = signal.getsignal(number)
            if callable(earlier):
                signal.signal(number, self._stopping(earlier, loop))
        if hasattr(signal, "SIGHUP"):
            # A terminal that closes tells every process; the one that started this one decides what it means.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        print(f"serving on {address} (what it can do: {address}/docs)", file=sys.stderr, flush=True)

    def _stopping(
        self, earlier: Callable[[int, FrameType | None], object], loop: asyncio.AbstractEventLoop
    ) -> Callable[[int, FrameType | None], None]:
        """A handler of signals that stops the service, and lets the web server hear of the signal after that.

        The web server would break WebSockets off as soon as it hears.
        """

        def stop(number: int, _: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.stop, lambda: earlier(number, None))

        return stop

    def stop(self, then: Callable[[], object]) -> None:
        """Let nobody in any more, hand waiting requests back, and give running ones their time of grace.

        Args:
            then: called when nothing runs any more. Only the first call of this method counts.
        """
        if self.room.is_open:
            self.room.stop()
            self._background.add(asyncio.create_task(self._end(then)))

    async def _end(self, then: Callable[[], object]) -> None:
        if not self.room.is_empty:
            try:
                async with asyncio.timeout(self.options.grace):
                    await self.room.emptied()
            except TimeoutError:
                self.room.break_off()
            await asyncio.sleep(LAST_LINES)
        then()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            self.store.sweep()
