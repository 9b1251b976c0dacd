"""Videos on the disk: each content once, and gone when nobody asks about it any more."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from starlette.datastructures import UploadFile

from vlp_rvos.serving.refusal import Refusal
from vlp_rvos.serving.service_options import ServiceOptions
from vlp_rvos.serving.video_store import StoredVideo, VideoStore


def receive(store: VideoStore, content: bytes, name: str) -> StoredVideo:
    return asyncio.run(store.receive(UploadFile(io.BytesIO(content), filename=name)))


def test_one_content_lies_there_once_until_the_last_one_lets_go(tmp_path: Path) -> None:
    store = VideoStore(tmp_path, ServiceOptions())
    first, second = receive(store, b"video", "a.mp4"), receive(store, b"video", "../../b.MP4")
    assert first is second
    assert first.path.name == "video.mp4"
    assert receive(store, b"other", "a.mp4") is not first
    assert len(store) == 2
    store.release(first)
    assert first.path.exists()
    store.release(first)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_names_never_become_paths(tmp_path: Path) -> None:
    store = VideoStore(tmp_path / "store", ServiceOptions())
    (tmp_path / "store").mkdir()
    for name in ("../../etc/passwd", "/x.mp4/..", "a\x00b", "", "x.tar/gz"):
        video = receive(store, name.encode(), name)
        assert video.path.resolve().is_relative_to(tmp_path / "store")
        assert video.path.name == "video"


def test_kept_videos_expire_and_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("vlp_rvos.serving.video_store.time.monotonic", lambda: now)
    store = VideoStore(tmp_path, ServiceOptions(kept_videos=1, keep_seconds=10))
    video = receive(store, b"video", "a.mp4")
    video_id = store.keep(video, "a.mp4")
    store.release(video)
    with pytest.raises(Refusal) as refused:
        store.keep(store.hold(video), "a.mp4")
    store.release(video)
    assert (refused.value.status, refused.value.retry_after) == (429, 10)
    now = 9.0
    assert store.find(video_id).name == "a.mp4"
    now = 18.0
    assert store.find(video_id).video is video
    now = 29.0
    with pytest.raises(Refusal) as refused:
        store.find(video_id)
    assert refused.value.status == 404
    assert list(tmp_path.iterdir()) == []
