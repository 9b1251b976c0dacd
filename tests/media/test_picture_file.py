"""A picture is a video of one frame, shown upright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import frames
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError
from vlp_rvos.media.picture_file import PictureFile
from vlp_rvos.media.video_reader import open_video

UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: np.rot90(a, 2),
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}


def exif(orientation: int) -> PillowImage.Exif:
    data = PillowImage.Exif()
    data[0x0112] = orientation
    return data


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_shown_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    picture = frames(1)[0]
    path = tmp_path / f"photo.{suffix}"
    PillowImage.fromarray(picture).save(path, exif=exif(orientation))
    expected = UPRIGHT[orientation](picture)
    source = open_video(path, fps=10)
    read = list(source)
    assert [(frame.index, frame.time, frame.name) for frame in read] == [(0, 0.0, "00000")]
    assert read[0].image.shape == expected.shape == (source.info.height, source.info.width, 3)
    assert np.abs(read[0].image.astype(int) - expected).mean() < 8
    assert (source.info.name, source.info.fps, source.info.frames) == (f"photo.{suffix}", 10, 1)
    assert source.problem is None


def test_other_pictures_are_read(tmp_path: Path) -> None:
    for name in ("a.bmp", "a.gif"):
        PillowImage.fromarray(frames(1)[0]).save(tmp_path / name)
        assert [frame.image.shape for frame in open_video(tmp_path / name)] == [(48, 64, 3)]


def test_a_moving_picture_is_a_video(tmp_path: Path) -> None:
    images = [PillowImage.fromarray(image) for image in frames(3)]
    images[0].save(tmp_path / "a.png", save_all=True, append_images=images[1:], duration=100)
    assert len(list(open_video(tmp_path / "a.png"))) == 3


def test_a_broken_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    PillowImage.fromarray(frames(1)[0]).save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"cannot read the image .*a.jpg"):
        open_video(path)


def test_a_picture_has_no_frame_later(tmp_path: Path) -> None:
    PillowImage.fromarray(frames(1)[0]).save(tmp_path / "a.png")
    source = PictureFile(tmp_path / "a.png", 24.0, 1, 1.0, None)
    with pytest.raises(UserError, match="no frame between 1 s and the end"):
        list(source)
