"""Folders of frames: their order, their formats, and what is wrong with some of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from clips import brightness, frames, noise, write_folder
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.media.video_reader import open_video


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
    with pytest.raises(UserError, match=r"cannot read the image .*00000\.png"):
        open_video(folder)


def test_a_folder_does_not_scale(tmp_path: Path) -> None:
    read = list(open_video(write_folder(tmp_path / "folder", frames(2))).read((24, 32)))
    assert [frame.image.shape for frame in read] == [(48, 64, 3)] * 2
