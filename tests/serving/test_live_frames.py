"""Frames of a live source come in their order, complete, and only while somebody waits for them."""

from __future__ import annotations

import io
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from clips import noise
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError
from vlp_rvos.serving.live_frames import decode_frame, end_frames, put_frame, read_frames


def encoded(image: np.ndarray, kind: str = "PNG", mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(image).convert(mode).save(file, kind)
    return file.getvalue()


def later(seconds: float = 60.0) -> float:
    return time.monotonic() + seconds


def test_frames_come_in_their_order_and_leave_no_files(tmp_path: Path) -> None:
    pictures = noise(12)
    for i in reversed(range(12)):
        put_frame(tmp_path, i, encoded(pictures[i]))
    end_frames(tmp_path)
    assert np.array_equal(list(read_frames(tmp_path, later())), pictures)
    assert [path.name for path in tmp_path.iterdir()] == ["end"]


def test_frames_that_come_while_others_are_read(tmp_path: Path) -> None:
    pictures = noise(8)

    def send() -> None:
        for i, picture in enumerate(pictures):
            put_frame(tmp_path, i, encoded(picture))
            time.sleep(0.005)
        end_frames(tmp_path)

    sender = threading.Thread(target=send)
    sender.start()
    assert np.array_equal(list(read_frames(tmp_path, later())), pictures)
    sender.join()


def test_a_source_ends_when_its_folder_goes_or_its_time_is_over(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    put_frame(tmp_path / "live", 0, encoded(noise(1)[0]))
    frames = read_frames(tmp_path / "live", later())
    next(frames)
    shutil.rmtree(tmp_path / "live")
    assert list(frames) == []
    put_frame(tmp_path, 0, encoded(noise(1)[0]))
    assert list(read_frames(tmp_path, later(-1))) == []


def test_a_frame_of_another_size_is_named(tmp_path: Path) -> None:
    for i, size in enumerate([(64, 48), (64, 48), (32, 48)]):
        put_frame(tmp_path, i, encoded(noise(1, size)[0]))
    with pytest.raises(UserError, match="frame 2 has another size"):
        list(read_frames(tmp_path, later()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_three_kinds_of_pictures_become_rgb(kind: str, mode: str) -> None:
    image = np.full((48, 64, 3), 90, np.uint8)
    frame = decode_frame(encoded(image, kind, mode))
    assert (frame.shape, frame.dtype) == ((48, 64, 3), np.uint8)
    assert np.abs(frame.astype(int) - 90).max() <= 2


@pytest.mark.parametrize("content", [b"", b"text", encoded(noise(1)[0])[:500], encoded(noise(1)[0], "GIF")])
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match="not a JPEG, PNG or WebP file"):
        decode_frame(content)


def test_a_frame_with_too_many_pixels_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlp_rvos.serving.live_frames.PIXELS_OF_8K", 64 * 48 - 1)
    with pytest.raises(UserError, match="more than 3071 pixels"):
        decode_frame(encoded(noise(1)[0]))
