"""What all sources share: the selection of frames, and reading more than once."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from clips import FPS, frames, write_folder, write_video

from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import PREFETCH_DEPTH, PendingFrame, TruncatedVideo, VideoInfo, VideoSource


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
        ({"every": 0}, "every must be from 1"),
        ({"every": 10**30}, "every must be from 1"),
        ({"start": -1.0}, "start must be"),
        ({"start": math.nan}, "start must be"),
        ({"start": 2.0, "end": 1.0}, "end .* later than start"),
        ({"end": 0.0}, "end .* later than start"),
        ({"end": math.nan}, "end must be"),
        ({"end": math.inf}, "end must be"),
        ({"start": 1e15}, "start must be from 0 to 1000000000, not 1e\\+15"),
        ({"fps": 0.0}, "fps must be"),
        ({"fps": math.inf}, "fps must be"),
        ({"fps": math.nan}, "fps must be"),
        ({"fps": 1e300}, "fps must be"),
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


class Countdown(VideoSource):
    """One frame a second, which ends after three frames where it is truncated."""

    can_resize = True

    def __init__(self, *, truncated: bool = False, **selection: float) -> None:
        super().__init__(**selection)  # type: ignore[arg-type]
        self.truncated = truncated
        self.info = VideoInfo("countdown", 4, 2, 1.0, 5.0, self._count_selected(1.0, 5.0))

    def _read(self) -> Iterator[PendingFrame]:
        for i in range(5):
            # A little early, as times are that were rounded to a container's time base.
            yield PendingFrame(i - 2e-4, None, partial(self._load, i))

    def _load(self, i: int, size: Size | None) -> tuple[Image, None]:
        if self.truncated and i == 3:
            raise TruncatedVideo("the power went out")
        return np.full((*(size or (2, 4)), 3), i, np.uint8), None


@pytest.mark.parametrize("depth", [0, PREFETCH_DEPTH])
def test_a_truncated_video_gives_its_frames_and_then_a_warning(depth: int) -> None:
    source, read = Countdown(truncated=True), []
    source.prefetch_depth = depth
    with pytest.warns(VLPRVOSWarning, match=r"^countdown: stopped at frame 3 \(3\.00 s\): the power went out$"):
        read += source
    assert [frame.index for frame in read] == [0, 1, 2]
    assert source.problem == "stopped at frame 3 (3.00 s): the power went out"
    with pytest.raises(UserError, match=r"countdown: stopped at frame 0 .*the power went out"):
        list(Countdown(truncated=True, start=3))


def test_times_may_be_rounded_at_the_ends_of_the_selection() -> None:
    read = list(Countdown(start=2, end=4))
    assert [int(frame.image[0, 0, 0]) for frame in read] == [2, 3]


def test_frames_that_are_not_selected_are_not_loaded() -> None:
    # The third frame is the truncated one.
    assert len(list(Countdown(truncated=True, every=2))) == 3


def test_a_source_that_can_resize_gives_the_size() -> None:
    assert {frame.image.shape for frame in Countdown().read((1, 2))} == {(1, 2, 3)}
    assert {frame.image.shape for frame in Countdown()} == {(2, 4, 3)}


@pytest.mark.parametrize(
    ("selection", "frames"), [({}, 5), ({"every": 2}, 3), ({"start": 1.0, "end": 3.0}, 2), ({"start": 9.0}, 1)]
)
def test_the_number_of_frames_is_estimated(selection: dict[str, float], frames: int) -> None:
    assert Countdown(**selection).info.frames == frames
    assert Countdown(**selection)._count_selected(1.0, None) == (None if "end" not in selection else frames)
