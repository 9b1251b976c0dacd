"""Rotation and mirroring that a video file asks its viewer for."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import frames, write_video
from PIL import Image as PillowImage
from PIL import ImageOps

from vlp_rvos.media.orientation import Orientation
from vlp_rvos.media.video_reader import open_video


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


PIXELS = np.array([[(255, 0, 0), (0, 255, 0), (0, 0, 255)], [(9, 9, 9), (99, 99, 99), (200, 200, 200)]], np.uint8)


@pytest.mark.parametrize(
    ("orientation", "shown"),
    [
        (Orientation(), PIXELS),
        (Orientation(upside_down=True), PIXELS[::-1]),
        (Orientation(mirrored=True), PIXELS[:, ::-1]),
        (Orientation(transposed=True), PIXELS.swapaxes(0, 1)),
        (Orientation(transposed=True, mirrored=True), np.rot90(PIXELS, -1)),
        (Orientation(transposed=True, upside_down=True), np.rot90(PIXELS)),
    ],
)
def test_frames_become_images_as_they_are_shown(orientation: Orientation, shown: np.ndarray) -> None:
    image = orientation.to_image(av.VideoFrame.from_ndarray(PIXELS, format="rgb24"))
    assert image.flags.c_contiguous
    assert np.array_equal(image, shown)
    assert orientation.swap((2, 3)) == shown.shape[:2]
    assert orientation.swap(shown.shape[:2]) == (2, 3)


def test_a_frame_without_metadata_is_shown_as_it_is() -> None:
    assert Orientation.of(av.VideoFrame.from_ndarray(PIXELS, format="rgb24")) == Orientation()


@pytest.mark.parametrize("angle", [-180, -91, -90, 0, 3, 90, 180])
def test_the_angle_is_read_where_other_side_data_is_unknown(angle: int) -> None:
    class Frame:
        rotation = angle

        @property
        def side_data(self) -> None:
            raise ValueError("31 is not a valid Type")

    image = Orientation.of(Frame()).to_image(av.VideoFrame.from_ndarray(PIXELS, format="rgb24"))  # type: ignore[arg-type]
    assert np.array_equal(image, np.rot90(PIXELS, round(angle / 90)))


@pytest.mark.parametrize("suffix", ["avi", "mov", "mkv"])
@pytest.mark.parametrize("number", range(1, 9))
def test_motion_jpeg_is_turned_by_the_exif_data_of_its_frames(tmp_path: Path, suffix: str, number: int) -> None:
    picture, exif = frames(1)[0], PillowImage.Exif()
    exif[0x0112] = number
    buffer = io.BytesIO()
    PillowImage.fromarray(picture).save(buffer, "JPEG", exif=exif)
    with av.open(str(tmp_path / f"a.{suffix}"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for i in range(3):
            packet = av.Packet(buffer.getvalue())
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 10), True
            packet.pts = packet.dts = i
            container.mux(packet)
    upright = PillowImage.open(buffer)
    expected = np.asarray(ImageOps.exif_transpose(upright)).astype(int)
    read = list(open_video(tmp_path / f"a.{suffix}"))
    assert len(read) == 3
    for frame in read:
        assert frame.image.shape == expected.shape
        assert np.abs(frame.image - expected).mean() < 8
