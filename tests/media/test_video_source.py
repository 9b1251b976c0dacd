"""What all sources share: the selection of frames, and reading more than once."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import pytest
from clips import FPS, frames, write_folder, write_video

from vlp_rvos.errors import UserError
from vlp_rvos.media.video_reader import open_video


def test_a_source_can_be_read_again(tmp_path: Path) -> None:
    source = open_video(write_video(tmp_path / "a.mp4", frames(3)))
    assert len(list(source)) == len(list(source)) == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"every": 4}, [0, 4, 8]),
        ({"start": 0.3}, [3, 4, 5, 6, 7, 8, 9]),
        ({"end": 0.3}, [0, 1, 2]),
        ({"start": 0.25, "end": 0.8, "every": 2}, [3, 5, 7]),
        ({"start": 0.9}, [9]),
    ],
)
@pytest.mark.parametrize("kind", ["a.mp4", "folder"])
def test_selection(tmp_path: Path, kind: str, options: dict[str, float], expected: list[int]) -> None:
    path = tmp_path / kind
    (write_video if path.suffix else write_folder)(path, frames(10))
    source = open_video(path, fps=FPS, **options)
    read = list(source)
    assert [frame.time for frame in read] == pytest.approx([i / FPS for i in expected], abs=0.002)
    assert [frame.index for frame in read] == list(range(0, len(read) * source.every, source.every))
    assert abs(source.info.frames - len(expected)) <= 1
    if kind == "folder":
        assert [frame.name for frame in read] == [f"{i:05d}" for i in expected]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": 0}, "every must be at least 1"),
        ({"start": -1.0}, "start must be"),
        ({"start": math.nan}, "start must be"),
        ({"start": 2.0, "end": 1.0}, "end .* later than start"),
        ({"end": 0.0}, "end .* later than start"),
        ({"end": math.nan}, "end .* later than start"),
        ({"fps": 0.0}, "fps must be"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, float], words: str) -> None:
    folder = write_folder(tmp_path / "folder", frames(2))
    with pytest.raises(UserError, match=words):
        open_video(folder, **options)


def test_a_selection_without_frames(tmp_path: Path) -> None:
    source = open_video(write_video(tmp_path / "a.mp4", frames(3)), start=7)
    with pytest.raises(UserError, match=r"no frame between 7 s and the end; the video is 0.30 s long"):
        list(source)


def test_closing_early_ends_the_thread(tmp_path: Path) -> None:
    threads = threading.active_count()
    iterator = iter(open_video(write_video(tmp_path / "a.mp4", frames(30))))
    next(iterator)
    assert threading.active_count() == threads + 1
    iterator.close()  # type: ignore[attr-defined]
    assert threading.active_count() == threads
