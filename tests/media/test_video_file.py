"""Video files: every container gives its frames and times, and a damaged one says where it ends."""

from __future__ import annotations

import gc
import itertools
import math
import weakref
from pathlib import Path

import av
import numpy as np
import pytest
from clips import FPS, brightness, cut, frames, noise, write_video
from PIL import Image as PillowImage

from vlp_rvos.errors import VLPRVOSWarning
from vlp_rvos.media import video_file
from vlp_rvos.media.orientation import Orientation
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import PREFETCH_DEPTH


@pytest.mark.parametrize(
    ("name", "encoder"),
    [
        ("a.mp4", None),
        ("a.mov", None),
        ("a.webm", "libvpx"),
        ("b.webm", "libvpx-vp9"),
        ("a.avi", None),
        ("a.mkv", None),
        ("a.gif", None),
    ],
)
def test_every_container_gives_all_frames_and_times(tmp_path: Path, name: str, encoder: str | None) -> None:
    source = open_video(write_video(tmp_path / name, frames(7), encoder=encoder))
    read = list(source)
    assert (source.info.name, source.info.width, source.info.height, source.info.frames) == (name, 64, 48, 7)
    assert source.info.fps == pytest.approx(FPS, rel=0.01)
    assert source.problem is None
    assert [frame.index for frame in read] == list(range(7))
    assert [frame.name for frame in read] == [f"{i:05d}" for i in range(7)]
    assert [frame.time for frame in read] == pytest.approx([i / FPS for i in range(7)], abs=0.002)
    assert all(frame.image.shape == (48, 64, 3) and frame.image.dtype == np.uint8 for frame in read)
    # The GIF's 256 colours are coarse.
    assert [brightness(frame.image) for frame in read] == pytest.approx([40 + 10 * i for i in range(7)], abs=20)
    red, green, blue = read[0].image[4, 4].tolist()
    assert red > 180
    assert max(green, blue) < 100


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 0.1, 0.15, 0.5, 0.9, 2.0]
    read = open_video(write_video(tmp_path / "a.mkv", frames(6), times))
    assert [frame.time for frame in read] == pytest.approx(times, abs=0.002)


@pytest.mark.parametrize("size", [(48, 96), (63, 47), (2, 2)])
def test_portrait_and_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    # GIF is the container that has odd sizes.
    source = open_video(write_video(tmp_path / "a.gif", frames(2, size)))
    assert (source.info.width, source.info.height) == size
    assert next(iter(source)).image.shape == (size[1], size[0], 3)


def test_one_frame(tmp_path: Path) -> None:
    source = open_video(write_video(tmp_path / "a.mp4", frames(1)))
    assert [(frame.index, frame.time) for frame in source] == [(0, 0.0)]
    assert source.info.frames == 1


def test_a_change_of_resolution_is_scaled_to_the_first(tmp_path: Path) -> None:
    large = write_video(tmp_path / "large.ts", frames(3, (64, 48))).read_bytes()
    small = write_video(tmp_path / "small.ts", frames(3, (32, 32))).read_bytes()
    (tmp_path / "both.ts").write_bytes(large + small)
    read = list(open_video(tmp_path / "both.ts"))
    assert len(read) == 6
    assert {frame.image.shape for frame in read} == {(48, 64, 3)}


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mkv", "avi", "gif", "ts"])
def test_seeking_gives_what_reading_from_the_beginning_gives(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / f"a.{suffix}", frames(40))
    results = []
    for seek_from in (0.0, math.inf):
        monkeypatch.setattr(video_file, "SEEK_FROM_SECONDS", seek_from)
        results.append([(x.index, x.time, brightness(x.image)) for x in open_video(path, start=2.35, end=3.1)])
    assert results[0] == results[1]
    assert [time for _, time, _ in results[0]] == pytest.approx([2.4, 2.5, 2.6, 2.7, 2.8, 2.9, 3.0], abs=0.002)


@pytest.mark.parametrize(
    ("suffix", "options"), [("mp4", {"movflags": "faststart"}), ("webm", {}), ("mkv", {}), ("avi", {}), ("gif", {})]
)
def test_a_cut_file_gives_its_frames_and_then_the_break(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    source = open_video(cut(write_video(tmp_path / f"a.{suffix}", noise(50), **options)))
    read = []
    with pytest.warns(VLPRVOSWarning, match=rf"cut.{suffix}: stopped at frame \d+ \(\d"):
        read += source
    assert 20 <= len(read) <= 40
    assert source.problem is not None
    assert source.problem.startswith(f"stopped at frame {len(read)} ({read[-1].time:.2f} s): ")
    assert [frame.time for frame in read] == pytest.approx([i / FPS for i in range(len(read))], abs=0.002)


def test_a_longer_sound_track_is_no_break(tmp_path: Path) -> None:
    source = open_video(write_video(tmp_path / "a.mp4", frames(5), audio=True))
    assert len(list(source)) == 5
    assert source.problem is None


def test_reading_ahead_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alive: weakref.WeakValueDictionary[int, np.ndarray] = weakref.WeakValueDictionary()

    numbers = itertools.count()

    class Tracked(np.ndarray):
        pass

    def tracked(_: Orientation, frame: av.VideoFrame) -> np.ndarray:
        image = frame.to_ndarray(format="rgb24").view(Tracked)
        alive[next(numbers)] = image
        return image

    monkeypatch.setattr(Orientation, "to_image", tracked)
    most = 0
    for _ in open_video(write_video(tmp_path / "a.mp4", frames(60))):
        most = max(most, len(alive))
    assert most <= PREFETCH_DEPTH + 3


def test_frames_are_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    source = open_video(write_video(tmp_path / "a.mp4", frames(40)))
    gc.collect()
    gc.disable()
    try:
        list(source)
        assert gc.collect() < 40
    finally:
        gc.enable()


@pytest.mark.parametrize("rotation", [0, 90])
def test_a_file_gives_its_frames_at_another_size(tmp_path: Path, rotation: int) -> None:
    source = open_video(write_video(tmp_path / "a.mp4", frames(3, (640, 480)), rotation=rotation))
    size = (64, 48) if rotation else (48, 64)
    for whole, small in zip(source, source.read(size), strict=True):
        assert (whole.index, whole.time, whole.name) == (small.index, small.time, small.name)
        expected = np.asarray(PillowImage.fromarray(whole.image).resize(size[::-1], PillowImage.Resampling.BILINEAR))
        assert small.image.shape == expected.shape
        assert np.abs(small.image.astype(int) - expected).mean() < 2.5
