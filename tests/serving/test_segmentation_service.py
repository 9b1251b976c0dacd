"""What ties the parts of the service together: which requests share a task, and how the service stops."""

from __future__ import annotations

import asyncio
import io
import signal
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.datastructures import UploadFile

from vlp_rvos.serving import segmentation_service
from vlp_rvos.serving.refusal import Refusal
from vlp_rvos.serving.request_forms import Question
from vlp_rvos.serving.segmentation_service import SegmentationService
from vlp_rvos.serving.service_options import ServiceOptions
from vlp_rvos.serving.tasks import LiveTask, Notice, Task, VideoTask

QUESTION = Question(["a dog"], "overlay", 2, 0.5, None)


class HeldEngine:
    """An engine whose first tasks never end."""

    def __init__(self) -> None:
        self.tasks = list[Task]()

    async def submit(self, task: Task) -> AsyncGenerator[Notice, None]:
        self.tasks.append(task)
        await asyncio.Event().wait()
        yield Notice("", "failed")


def service_in(folder: Path, **limits: float) -> tuple[SegmentationService, HeldEngine]:
    engine = HeldEngine()
    return SegmentationService(engine, ServiceOptions(**limits), folder), engine  # type: ignore[arg-type]


async def ask(service: SegmentationService, name: str, question: Question, content: bytes = b"video") -> None:
    video = await service.store.receive(UploadFile(io.BytesIO(content), filename=f"{name}.mp4"))
    service.submit_video(service.room.enter(name, question.output), video, f"{name}.mp4", question)


async def turns(number: int = 9) -> None:
    """Let others take their turns."""
    for _ in range(number):
        await asyncio.sleep(0)


def test_requests_about_the_same_frames_of_one_content_share_a_task(tmp_path: Path) -> None:
    async def scene() -> list[int]:
        service, engine = service_in(tmp_path, workers=1)
        await ask(service, "first", QUESTION, b"something else")
        await turns()
        await ask(service, "a", QUESTION)
        await ask(service, "b", replace(QUESTION, expressions=["a cat"], output="zip"))
        await ask(service, "other frames", replace(QUESTION, every=3))
        await ask(service, "frames of another size", replace(QUESTION, output="ndjson"))
        await ask(service, "another video", QUESTION, b"other")
        assert (service.room.running, service.room.waiting) == (1, 5)
        for run in list(service.room._running):
            run.cancel()
        await turns()
        task = engine.tasks[1]
        assert isinstance(task, VideoTask)
        assert (task.name, task.every, task.start, task.end) == ("a.mp4", 2, 0.5, None)
        assert Path(task.path).read_bytes() == b"video"
        assert [request.expressions for request in task.requests] == [("a dog",), ("a cat",)]
        service.stop(lambda: None)
        return [len(one.requests) for one in engine.tasks]

    assert asyncio.run(scene()) == [1, 2]


def test_a_live_source_has_a_task_of_its_own(tmp_path: Path) -> None:
    async def scene() -> list[Task]:
        service, engine = service_in(tmp_path, workers=2)
        for name in "ab":
            service.submit_live(service.room.enter(name, "ndjson"), ["a dog"], 25.0, 8)
        await turns()
        return engine.tasks

    for task in asyncio.run(scene()):
        assert isinstance(task, LiveTask)
        assert (len(task.requests), task.fps, task.clip) == (1, 25.0, 8)


@pytest.mark.parametrize("leaves", [True, False])
def test_running_requests_have_their_time_of_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    monkeypatch.setattr(segmentation_service, "LAST_LINES", 0.1)

    async def scene() -> None:
        service, _ = service_in(tmp_path, grace=3600 if leaves else 0.05)
        ticket, ended = service.room.enter("running", "ndjson"), asyncio.Event()
        service.submit_live(ticket, ["a dog"], 25.0, 8)
        await turns()
        service.stop(ended.set)
        # A second signal gives no more time, and no less.
        service.stop(lambda: pytest.fail("the first signal counts"))
        await turns()
        assert not service.room.is_open
        assert not ticket.is_answered
        with pytest.raises(Refusal):
            service.room.enter("late", "zip")
        if leaves:
            service.room.leave(ticket)
        else:
            with pytest.raises(Refusal, match="the service has stopped") as refused:
                await service.room.next_notice(ticket)
            assert refused.value.status == 503
        assert not ended.is_set()
        await ended.wait()

    asyncio.run(asyncio.wait_for(scene(), 30))


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The signals that the handlers from before the service hear."""
    found = list[int]()
    # The service ignores SIGHUP, in this process too.
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: found.append(number))
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_closes_the_room_and_is_handed_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], heard: list[int]
) -> None:

    async def scene() -> None:
        service, _ = service_in(tmp_path)
        await service.start("http://host:1")
        signal.raise_signal(signal.SIGTERM)
        assert heard == []
        await turns()
        assert not service.room.is_open

    asyncio.run(asyncio.wait_for(scene(), 30))
    assert heard == [signal.SIGTERM]
    assert capsys.readouterr().err == "serving on http://host:1 (what it can do: http://host:1/docs)\n"


@pytest.mark.usefixtures("heard")
def test_expired_videos_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation_service, "INTERVAL", 0.01)

    async def scene() -> None:
        service, _ = service_in(tmp_path)
        swept = asyncio.Event()
        service.store.sweep = swept.set  # type: ignore[method-assign]
        await service.start("http://host:1")
        await swept.wait()

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_its_folders_are_new(tmp_path: Path) -> None:
    service_in(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"requests", "videos"}
    with pytest.raises(FileExistsError):
        service_in(tmp_path)
