"""What a worker says where time runs out, somebody leaves, or a file is dangerous."""

from __future__ import annotations

import io
import shutil
import time
from pathlib import Path

import pytest
from clips import noise, write_video
from PIL import Image as PillowImage
from stubs import tiny_model

from vlp_rvos import Segmenter
from vlp_rvos.serving.live_frames import end_frames, put_frame
from vlp_rvos.serving.segmentation_worker import SegmentationWorker
from vlp_rvos.serving.tasks import LiveTask, Request, VideoTask


@pytest.fixture(scope="module")
def worker() -> SegmentationWorker:
    return SegmentationWorker(Segmenter(tiny_model()), 60.0)


def request_in(folder: Path, name: str, seconds: float = 60.0) -> Request:
    (folder / name).mkdir()
    return Request(name, str(folder / name), ("a dog",), "ndjson", time.monotonic() + seconds)


def test_each_request_of_a_task_ends_by_itself(worker: SegmentationWorker, tmp_path: Path) -> None:
    video = write_video(tmp_path / "dog.mp4", noise(7))
    requests = (request_in(tmp_path, "good"), request_in(tmp_path, "late", -1.0), request_in(tmp_path, "left"))
    last = {}
    for notice in worker.run(VideoTask(requests, str(video), "dog.mp4")):
        if notice.request == "left" and notice.kind == "written":
            shutil.rmtree(tmp_path / "left")
        last[notice.request] = notice
    assert {name: (notice.kind, notice.status) for name, notice in last.items()} == {
        "good": ("finished", 0),
        "late": ("failed", 504),
        "left": ("failed", 499),
    }
    assert last["good"].frames == 7


def test_a_failure_is_told_without_paths(worker: SegmentationWorker, tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"nothing")
    request = request_in(tmp_path, "a")
    *_, last = worker.run(VideoTask((request,), str(tmp_path / "video.mp4"), "mine.mp4"))
    assert (last.kind, last.status) == ("failed", 400)
    assert "mine.mp4" in last.message
    assert str(tmp_path) not in last.message


def test_playlists_are_refused(worker: SegmentationWorker, tmp_path: Path) -> None:
    """What FFmpeg would follow: the file beside it is a video that could be read."""
    write_video(tmp_path / "secret.ts", noise(3))
    playlists = {
        "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n",
        "concat.txt": "ffconcat version 1.0\nfile secret.ts\n",
    }
    for name, text in playlists.items():
        (tmp_path / name).write_text(text)
        request = request_in(tmp_path, f"request-{name}")
        *_, last = worker.run(VideoTask((request,), str(tmp_path / name), name))
        assert (last.kind, last.status) == ("failed", 400), name


def test_frames_of_different_sizes_are_refused(worker: SegmentationWorker, tmp_path: Path) -> None:
    request = request_in(tmp_path, "live")
    for i, size in enumerate([(32, 32), (32, 48)]):
        file = io.BytesIO()
        PillowImage.new("RGB", size).save(file, "JPEG")
        put_frame(tmp_path / "live", i, file.getvalue())
    end_frames(tmp_path / "live")
    notices = list(worker.run(LiveTask((request,), 10.0, 1)))
    assert [len(notice.lines) for notice in notices] == [0, 1, 0]
    assert (notices[-1].status, notices[-1].message) == (400, "frame 1 has another size than the first one")
