"""Rotation and mirroring that a video file asks its viewer for."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from clips import write_video

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
