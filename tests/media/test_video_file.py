from __future__ import annotations

import gc
import itertools
import math
import threading
import weakref
from pathlib import Path

import av
import numpy as np
import pytest
from clips import FPS, cut, frames, noise, write_folder, write_sound, write_video
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.media import video_file as video
from vlp_rvos.media.planes import copy_picture, plane_views
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import PREFETCHED_FRAMES, ArraySource
from vlp_rvos.media.video_writer import VideoWriter


def brightness(image: np.ndarray) -> float:
    """Of the grey corner, which counts the frames that `clips.frames` makes."""
    return float(image[-image.shape[0] // 4 :, -image.shape[1] // 4 :].mean())


# --- reading -------------------------------------------------------------------------------------------------------
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


def test_a_source_can_be_read_again(tmp_path: Path) -> None:
    source = open_video(write_video(tmp_path / "a.mp4", frames(3)))
    assert len(list(source)) == len(list(source)) == 3


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


@pytest.mark.skipif(not hasattr(av.video.stream.VideoStream, "set_display_rotation"), reason="PyAV cannot write it")
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_rotation_metadata_is_applied(tmp_path: Path, rotation: int, mirror: bool) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32], picture[:24, 32:], picture[24:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    path = write_video(tmp_path / "a.mp4", [picture], rotation=rotation, mirror=mirror)
    # FFmpeg's convention: turned counter-clockwise, then mirrored.
    expected = np.rot90(picture, rotation // 90)
    if mirror:
        expected = expected[:, ::-1]
    source = open_video(path)
    image = next(iter(source)).image
    assert image.shape == expected.shape == (source.info.height, source.info.width, 3)
    assert np.abs(image.astype(int) - expected).mean() < 12


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


# --- selection -----------------------------------------------------------------------------------------------------
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


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mkv", "avi", "gif", "ts"])
def test_seeking_gives_what_reading_from_the_beginning_gives(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / f"a.{suffix}", frames(40))
    results = []
    for seek_from in (0.0, math.inf):
        monkeypatch.setattr(video, "SEEK_FROM_SECONDS", seek_from)
        results.append([(x.index, x.time, brightness(x.image)) for x in open_video(path, start=2.35, end=3.1)])
    assert results[0] == results[1]
    assert [time for _, time, _ in results[0]] == pytest.approx([2.4, 2.5, 2.6, 2.7, 2.8, 2.9, 3.0], abs=0.002)


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


# --- bad input -----------------------------------------------------------------------------------------------------
def test_not_a_video(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    (tmp_path / "text.txt").write_text("not a video\n" * 100)
    (tmp_path / "nothing").mkdir()
    write_sound(tmp_path / "sound.mp4")
    cut(write_video(tmp_path / "whole.mp4", noise(10)))
    for name, words in {
        "missing.mp4": "no such file",
        "empty.mp4": "is empty",
        "text.mp4": "cannot be read as a video",
        "text.txt": "no video in it",
        "nothing": "no frames",
        "sound.mp4": "no video in it",
        "cut.mp4": "is it complete",
    }.items():
        with pytest.raises(UserError, match=words) as caught:
            open_video(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


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


def test_closing_early_ends_the_thread(tmp_path: Path) -> None:
    threads = threading.active_count()
    iterator = iter(open_video(write_video(tmp_path / "a.mp4", frames(30))))
    next(iterator)
    assert threading.active_count() == threads + 1
    iterator.close()  # type: ignore[attr-defined]
    assert threading.active_count() == threads


# --- folders -------------------------------------------------------------------------------------------------------
def test_a_folder_is_sorted_by_number(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", frames(12), "bmp", "frame{}")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "notes.txt").write_text("not a frame")
    source = open_video(folder)
    read = list(source)
    assert [frame.name for frame in read] == [f"frame{i}" for i in range(12)]
    assert [brightness(frame.image) for frame in read] == [40 + 10 * i for i in range(12)]
    assert read[6].time == 6 / 24
    assert (source.info.name, source.info.fps, source.info.frames) == ("folder", 24.0, 12)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
def test_formats_of_frames(tmp_path: Path, suffix: str) -> None:
    assert len(list(open_video(write_folder(tmp_path / "folder", frames(2), suffix.upper())))) == 2


def test_camera_orientation_of_photographs(tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    PillowImage.fromarray(frames(1)[0]).save(tmp_path / "a.jpg", exif=exif)
    source = open_video(tmp_path)
    image = next(iter(source)).image
    assert image.shape == (source.info.height, source.info.width, 3) == (64, 48, 3)
    assert image[4, -4, 0] > 180  # the red corner went from left to right


def test_frames_of_different_size(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", frames(2))
    PillowImage.new("RGB", (32, 48)).save(folder / "00007.png")
    with pytest.raises(UserError, match=r"differ in size: .*00007.png is 32x48, 00000.png is 64x48"):
        open_video(folder)


def test_two_frames_of_one_name(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", frames(2))
    PillowImage.fromarray(frames(1)[0]).save(folder / "00001.jpg")
    with pytest.raises(UserError, match="two frames are called '00001'"):
        open_video(folder)


@pytest.mark.parametrize("data", [b"not an image", None])
def test_a_broken_frame_is_the_break(tmp_path: Path, data: bytes | None) -> None:
    folder = write_folder(tmp_path / "folder", noise(5))
    broken = folder / "00003.png"
    broken.write_bytes(data or broken.read_bytes()[:500])
    source = open_video(folder)
    read = []
    with pytest.warns(VLPRVOSWarning, match="stopped at frame 3 .*00003.png"):
        read += source
    assert len(read) == 3
    broken.rename(folder / "00000.png")
    with pytest.raises(UserError, match=r"00000\.png cannot be read"):
        open_video(folder)


# --- arrays --------------------------------------------------------------------------------------------------------
def test_arrays_are_taken_one_by_one() -> None:
    taken = []

    def generate():  # type: ignore[no-untyped-def]
        for i, picture in enumerate(frames(10)):
            taken.append(i)
            yield picture

    iterator = iter(ArraySource(generate(), every=2, start=1 / 24))
    assert next(iterator).time == 1 / 24
    assert next(iterator).time == 3 / 24
    assert taken == [0, 1, 2, 3]


def test_reading_ahead_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    alive: weakref.WeakValueDictionary[int, np.ndarray] = weakref.WeakValueDictionary()

    numbers = itertools.count()

    class Tracked(np.ndarray):
        pass

    def tracked(frame: av.VideoFrame, _: object) -> np.ndarray:
        image = frame.to_ndarray(format="rgb24").view(Tracked)
        alive[next(numbers)] = image
        return image

    monkeypatch.setattr(video, "_turned", tracked)
    most = 0
    for _ in open_video(write_video(tmp_path / "a.mp4", frames(60))):
        most = max(most, len(alive))
    assert most <= PREFETCHED_FRAMES + 3


def test_frames_are_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    source = open_video(write_video(tmp_path / "a.mp4", frames(40)))
    gc.collect()
    gc.disable()
    try:
        list(source)
        assert gc.collect() < 40
    finally:
        gc.enable()


# --- at another size -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rotation", [0, 90])
def test_a_file_gives_its_frames_at_another_size(tmp_path: Path, rotation: int) -> None:
    source = open_video(write_video(tmp_path / "a.mp4", frames(3, (640, 480)), rotation=rotation))
    size = (64, 48) if rotation else (48, 64)
    for whole, small in zip(source, source.read(size), strict=True):
        assert (whole.index, whole.time, whole.name) == (small.index, small.time, small.name)
        expected = np.asarray(PillowImage.fromarray(whole.image).resize(size[::-1], PillowImage.Resampling.BILINEAR))
        assert small.image.shape == expected.shape
        assert np.abs(small.image.astype(int) - expected).mean() < 2.5


def test_a_folder_does_not_scale(tmp_path: Path) -> None:
    read = list(open_video(write_folder(tmp_path / "folder", frames(2))).read((24, 32)))
    assert [frame.image.shape for frame in read] == [(48, 64, 3)] * 2


# --- writing -------------------------------------------------------------------------------------------------------
def read_back(path: Path) -> tuple[list[float], list[np.ndarray], float]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name in ("h264", "mpeg4")
        decoded = list(container.decode(video=0))
        stream = container.streams.video[0]
        length = float(stream.duration * stream.time_base)
        return [x.time for x in decoded], [x.to_ndarray(format="rgb24") for x in decoded], length


def test_the_writer_keeps_size_times_and_colours(tmp_path: Path) -> None:
    times, pictures = [0.5, 0.6, 0.65, 1.0, 1.4, 2.5], frames(6)
    with VideoWriter(tmp_path / "a.mp4", FPS) as writer:
        for picture, time in zip(pictures, times, strict=True):
            writer.write(picture, time)
        assert not (tmp_path / "a.mp4").exists()
    read_times, images, length = read_back(tmp_path / "a.mp4")
    assert read_times == pytest.approx([time - 0.5 for time in times], abs=1e-4)
    assert length == pytest.approx(2.1, abs=1e-3)
    for image, picture in zip(images, pictures, strict=True):
        assert image.shape == picture.shape
        assert np.abs(image.astype(int) - picture).mean() < 4
    assert [x.name for x in tmp_path.iterdir()] == ["a.mp4"]


def test_the_frame_rate_of_television_is_exact(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", 30000 / 1001) as writer:
        for i, picture in enumerate(frames(30)):
            writer.write(picture, i * 1001 / 30000)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(30000 / 1001, rel=1e-6)


def test_odd_sizes_are_padded(tmp_path: Path) -> None:
    picture = frames(1, (63, 47))[0]
    with VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write(picture, 0)
        assert writer.padded
    image = read_back(tmp_path / "a.mp4")[1][0]
    assert image.shape == (48, 64, 3)
    assert np.abs(image[:47, :63].astype(int) - picture).mean() < 4


def test_times_that_stand_still_are_moved_on(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4") as writer:
        for picture, time in zip(frames(3), [0, 0, 0], strict=True):
            writer.write(picture, time)
    assert len(read_back(tmp_path / "a.mp4")[0]) == 3


def test_a_failure_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"earlier")
    writer = VideoWriter(path)
    with pytest.raises(ValueError, match="shape"), writer:
        _ = [writer.write(picture, 0) for picture in (frames(1)[0], frames(1, (32, 32))[0])]
    assert path.read_bytes() == b"earlier"
    assert [x.name for x in tmp_path.iterdir()] == ["a.mp4"]


def test_pictures_of_another_kind_are_refused(tmp_path: Path) -> None:
    picture = av.VideoFrame.from_ndarray(frames(1, (64, 48))[0], format="rgb24").reformat(format="yuv420p")
    copy = copy_picture(picture)
    plane_views(copy)[0][:] = 0
    assert plane_views(picture)[0].any()
    smaller = picture.reformat(32, 32)
    with VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write_picture(picture, 0, picture)
        for other in (smaller, picture.reformat(format="yuv444p")):
            with pytest.raises(ValueError, match="in a yuv420p video"):
                writer.write_picture(other, 1, picture)


def test_without_frames_nothing_is_written(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4"):
        pass
    assert not list(tmp_path.iterdir())


def test_without_x264_it_writes_mpeg4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", set())
    with VideoWriter(tmp_path / "a.mp4", FPS) as writer:
        for i, picture in enumerate(frames(3)):
            writer.write(picture, i / FPS)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    times, images, _ = read_back(tmp_path / "a.mp4")
    assert times == pytest.approx([0, 0.1, 0.2], abs=1e-3)
    assert np.abs(images[2].astype(int) - frames(3)[2]).mean() < 6
