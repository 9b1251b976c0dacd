"""Video files: every container gives its frames and times, and a damaged one says where it ends."""

from __future__ import annotations

import gc
import itertools
import math
import warnings
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import FPS, brightness, cut, frames, noise, write_video
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError, VLPRVOSWarning
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
    with pytest.warns(VLPRVOSWarning, match="time stamps go back once"):
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
    ("suffix", "parts", "starts"),
    [
        *((suffix, ("early", "early"), [0, 0.7]) for suffix in ("ts", "mkv", "webm")),
        *((suffix, ("late", "early"), [0, 0.7]) for suffix in ("ts", "mkv", "webm")),
        ("ts", ("early", "late"), [0, 9.8]),
        ("ts", ("early", "late", "early", "early"), [0, 9.8, 10.5, 11.2]),
    ],
)
@pytest.mark.filterwarnings("ignore::vlp_rvos.errors.VLPRVOSWarning")
def test_joined_recordings_keep_all_frames_and_their_times_grow(
    tmp_path: Path, suffix: str, parts: tuple[str, ...], starts: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        name: write_video(tmp_path / f"{name}.{suffix}", frames(7), [offset + i / FPS for i in range(7)])
        for name, offset in (("early", 0.0), ("late", 10.0))
    }
    (tmp_path / f"joined.{suffix}").write_bytes(b"".join(files[name].read_bytes() for name in parts))
    source = open_video(tmp_path / f"joined.{suffix}")
    read = list(source)
    assert source.info.fps == pytest.approx(FPS, rel=0.05)
    assert [frame.time for frame in read] == pytest.approx([start + i / FPS for start in starts for i in range(7)])
    shown = [40.0 + 10 * i for i in range(7)] * len(starts)
    assert [brightness(frame.image) for frame in read] == pytest.approx(shown, abs=4)
    assert (source.note is not None) == ("early" in parts[1:])
    assert source.problem == source.note
    monkeypatch.setattr(video_file, "SEEK_FROM_SECONDS", 0.0)
    for start in (0.25, 0.95, starts[-1] + 0.35):
        later = [(x.time, x.image.tobytes()) for x in read if x.time >= start]
        assert [(x.time, x.image.tobytes()) for x in open_video(source.path, start=start)] == later


def test_a_recording_that_starts_late_is_whole(tmp_path: Path) -> None:
    for suffix in ("mkv", "ts", "mp4"):
        source = open_video(write_video(tmp_path / f"a.{suffix}", frames(7), [10 + i / FPS for i in range(7)]))
        assert len(list(source)) == 7
        assert source.problem is None


@pytest.mark.parametrize("seek_from", [0.0, math.inf])
def test_stamps_in_the_order_of_decoding_are_sorted(
    tmp_path: Path, seek_from: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.avi", frames(24), encoder="libx264")
    with av.open(str(path)) as container:
        stamps = [frame.pts for frame in container.decode(video=0)]
    assert stamps != sorted(stamps)
    monkeypatch.setattr(video_file, "SEEK_FROM_SECONDS", seek_from)
    for selection, numbers in (
        ({}, range(24)),
        ({"end": 0.75}, range(8)),
        ({"start": 1.0, "end": 1.25}, range(10, 13)),
    ):
        source = open_video(path, **selection)
        with pytest.warns(VLPRVOSWarning, match="order of decoding"):
            read = list(source)
        assert [frame.time for frame in read] == pytest.approx([i / FPS for i in numbers])
        shown = [40 + 10 * (i % 20) for i in numbers]
        assert [brightness(frame.image) for frame in read] == pytest.approx(shown, abs=4)


def test_a_stream_without_stamps_is_timed_by_its_codec(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.h264"), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in frames(9):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    source = open_video(tmp_path / "a.h264")
    with pytest.warns(VLPRVOSWarning, match="9 frames have no time stamp: they were timed by the frame rate"):
        read = list(source)
    assert source.info.fps == FPS
    assert [frame.time for frame in read] == pytest.approx([i / FPS for i in range(9)])


@pytest.mark.parametrize("ntsc", [False, True])
def test_a_tape_dump_has_the_rate_of_its_tape(tmp_path: Path, ntsc: bool) -> None:
    height, rate, pixels = (480, Fraction(30000, 1001), "yuv411p") if ntsc else (576, Fraction(25), "yuv420p")
    with av.open(str(tmp_path / "a.dv"), "w", format="dv") as container:
        stream = container.add_stream("dvvideo", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 720, height, pixels
        for image in frames(3, (720, height)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)))
        container.mux(stream.encode(None))
    source = open_video(tmp_path / "a.dv")
    assert (source.info.fps, source.info.frames) == (pytest.approx(float(rate)), 3)
    assert [frame.time for frame in source] == pytest.approx([i / float(rate) for i in range(3)])
    assert source.problem is None


@pytest.mark.parametrize("suffix", ["mkv", "webm", "gif", "ts", "avi", "mp4"])
def test_a_file_cut_anywhere_gives_frames_or_says_why_not(tmp_path: Path, suffix: str) -> None:
    data = write_video(tmp_path / f"a.{suffix}", noise(4)).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    refused = 0
    for length in (*range(1, 1024, 93), *range(1024, len(data), len(data) // 8)):
        path.write_bytes(data[:length])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VLPRVOSWarning)
            try:
                assert next(iter(open_video(path))).index == 0
            except UserError:
                refused += 1
    assert refused


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


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "joined.mp4"])
def test_damage_is_met_once_wherever_the_reading_starts(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_video(tmp_path / f"a{Path(name).suffix}", noise(50), movflags="faststart")
    path = cut(whole) if name.startswith("cut") else tmp_path / name
    if name.startswith("joined"):
        path.write_bytes(2 * whole.read_bytes())
    results = []
    for seek_from in (0.0, math.inf):
        monkeypatch.setattr(video_file, "SEEK_FROM_SECONDS", seek_from)
        source, read = open_video(path, start=1.5), []
        with pytest.warns(VLPRVOSWarning, match=rf"{name}: stopped at frame \d+ \(\d"):
            read += [(frame.time, frame.image.tobytes()) for frame in source]
        results.append((read, source.problem))
    assert results[0] == results[1]
    assert [time for time, _ in results[0][0]] == pytest.approx([1.5 + i / FPS for i in range(len(read))], abs=0.002)


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


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize(("stated", "shown"), [(Fraction(4, 3), Fraction(4, 3)), (Fraction(1000, 1), Fraction(1))])
def test_the_shape_of_pixels_is_known(tmp_path: Path, rotation: int, stated: Fraction, shown: Fraction) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = stated
        if rotation:
            stream.set_display_rotation(rotation)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frames(1)[0], format="rgb24")))
        container.mux(stream.encode(None))
    info = open_video(path).info
    assert info.pixel_aspect == (1 / shown if rotation else shown)
    assert (info.width, info.height) == ((48, 64) if rotation else (64, 48))
