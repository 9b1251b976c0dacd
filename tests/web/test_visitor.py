from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from circles import CircleSegmenter
from clips import frames, write_video

from vlp_rvos.errors import UserError
from vlp_rvos.web.job_queue import JobQueue, State
from vlp_rvos.web.limits import Limits
from vlp_rvos.web.visitor import Visitor


@pytest.fixture
def queue() -> Iterator[JobQueue]:
    queue = JobQueue(2)
    yield queue
    queue.close()


@pytest.fixture
def visitor(tmp_path: Path, queue: JobQueue) -> Visitor:
    visitor = Visitor(tmp_path / "visitor", CircleSegmenter(), queue, Limits(max_seconds=5))
    visitor.choose_video(write_video(tmp_path / "dog.mp4", frames(12)))
    return visitor


def find(visitor: Visitor, words: str = "", **part: float) -> None:
    job = visitor.start(words, **part)  # type: ignore[arg-type]
    assert job.ended.wait(30)
    assert job.state is State.DONE, job.problem


def test_words_and_points_are_found(visitor: Visitor) -> None:
    visitor.show(0.5)
    visitor.point(0.75, 0.25, True)
    find(visitor, "the dog")
    assert visitor.finished is not None
    assert visitor.finished.found.names == ("the dog", "thing 1")
    assert len(visitor.finished.found) == 12
    result = visitor.frame()
    assert result is not None
    assert result.time == pytest.approx(0.5)
    assert result.masks[0, 24, 21]
    assert result.masks[1, 12, 48]
    assert visitor.progress.frames_per_second > 0


def test_a_part_of_the_video(visitor: Visitor) -> None:
    find(visitor, "the dog", start=0.3, end=0.8, every=2)
    assert visitor.finished is not None
    assert list(visitor.finished.found.times) == pytest.approx([0.3, 0.5, 0.7])
    # The frame that was shown before has no masks.
    assert visitor.shown == pytest.approx(0.3)


def test_a_click_is_looked_at_in_its_frame(visitor: Visitor) -> None:
    visitor.show(0.4)
    visitor.point(0.25, 0.5, True)
    job = visitor.start_preview()
    assert job is not None
    assert job.ended.wait(30)
    result = visitor.frame()
    assert result is not None
    assert result.masks[0, 24, 16]
    visitor.step(1)
    after = visitor.frame()
    assert after is not None
    assert len(after.masks) == 0
    visitor.things.undo()
    visitor.points_changed()
    assert visitor.start_preview() is None


def test_steps_that_are_asked_for_at_once_are_all_made(visitor: Visitor) -> None:
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(visitor.step, [1] * 5))
    assert visitor.shown == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("words", "part", "problem"),
    [
        ("", {}, "say what to find"),
        ("the dog", {"start": 1.0, "end": 0.5}, "empty"),
        ("the dog", {"every": 0}, "every"),
        ("thing 1", {}, "name of something that you point at"),
        ("the dog", {"start": 0.5}, "outside of the part"),
    ],
)
def test_what_cannot_be_done_is_said(visitor: Visitor, words: str, part: dict[str, float], problem: str) -> None:
    if words:
        visitor.point(0.5, 0.5, True)
    with pytest.raises(UserError, match=problem):
        visitor.start(words, **part)  # type: ignore[arg-type]
    assert not visitor.is_busy


def test_a_part_that_is_too_long_is_refused(tmp_path: Path, queue: JobQueue) -> None:
    visitor = Visitor(tmp_path / "visitor", CircleSegmenter(), queue, Limits(max_seconds=0.3))
    with pytest.raises(UserError, match="choose a video first"):
        visitor.start("the dog")
    visitor.choose_video(write_video(tmp_path / "dog.mp4", frames(12)))
    with pytest.raises(UserError, match="1 s long"):
        visitor.start("the dog", end=1.2)
    find(visitor, "the dog")
    assert visitor.finished is not None
    assert len(visitor.finished.found) == 3


def test_stopping_keeps_what_was_found(tmp_path: Path, queue: JobQueue) -> None:
    held = threading.Event()
    visitor = Visitor(tmp_path / "visitor", CircleSegmenter(held), queue, Limits())
    visitor.choose_video(write_video(tmp_path / "dog.mp4", frames(12)))
    job = visitor.start("the dog")
    while visitor.progress.frames < 2:
        assert not job.ended.wait(0.01)
    with pytest.raises(UserError, match="runs already"):
        visitor.start("the dog")
    with pytest.raises(UserError, match="wait until the job has ended"):
        visitor.point(0.5, 0.5, True)
    visitor.stop()
    held.set()
    assert job.ended.wait(30)
    assert job.state is State.STOPPED
    assert visitor.finished is not None
    assert len(visitor.finished.found) == 2
    assert visitor.finished.truncated == "stopped after 2 frames"
    assert len(json.loads(visitor.make("JSON").read_text())["frames"]) == 2


def test_files_do_not_pile_up(visitor: Visitor) -> None:
    find(visitor, "the dog")
    for _ in range(3):
        visitor.make("JSON")
        visitor.compared()
    files = sorted(file.name for file in visitor.folder.rglob("*") if file.is_file())
    assert files == ["after.jpg", "before.jpg", "found.jsonl", "masks.json"]


def test_a_bad_file_leaves_no_video_and_no_file(visitor: Visitor) -> None:
    bad = visitor.new_path("bad.mp4")
    bad.write_text("no video")
    with pytest.raises(UserError, match="cannot be read") as caught:
        visitor.choose_video(bad)
    assert visitor.without_paths(str(caught.value)).startswith("bad.mp4 cannot be read as a video")
    assert visitor.video is None
    assert visitor.frame() is None
    assert not bad.exists()


def test_an_upload_is_moved_and_its_loss_is_told(visitor: Visitor, tmp_path: Path) -> None:
    upload = write_video(tmp_path / "upload.mp4", frames(3))
    path = visitor.take_upload(upload)
    assert not upload.exists()
    assert visitor.folder in path.parents
    with pytest.raises(UserError, match="did not arrive"):
        visitor.take_upload(upload)


def test_the_end_of_a_visit_stops_the_job_and_removes_everything(tmp_path: Path, queue: JobQueue) -> None:
    visitor = Visitor(tmp_path / "visitor", CircleSegmenter(), queue, Limits())
    visitor.choose_video(visitor.take_upload(write_video(tmp_path / "dog.mp4", frames(12))))
    job = visitor.start("the dog")
    visitor.close()
    assert job.ended.is_set()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="this visit has ended"):
        visitor.start("the dog")
