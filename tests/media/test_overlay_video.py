"""The overlay as a video file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from frame_results import EXPRESSIONS, result

from vlp_rvos.media.overlay_video import OverlayWriter
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_writer import VideoWriter
from vlp_rvos.results import FrameResult


def test_overlay_video(tmp_path: Path) -> None:
    with OverlayWriter(tmp_path / "overlay.mp4", EXPRESSIONS, 10) as writer:
        for i in range(3):
            writer.write(result(i))
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        decoded = list(container.decode(video=0))
    assert [x.time for x in decoded] == pytest.approx([0, 0.1, 0.2])
    assert (decoded[0].width, decoded[0].height) == (64, 48)


@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(4, 3), Fraction(16, 15)])
def test_an_overlay_has_the_shape_of_the_videos_pixels(tmp_path: Path, aspect: Fraction) -> None:
    with OverlayWriter(tmp_path / "overlay.mp4", EXPRESSIONS, 10, aspect) as writer:
        writer.write(result(0))
    assert open_video(tmp_path / "overlay.mp4").info.pixel_aspect == aspect
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        assert container.streams.video[0].display_aspect_ratio == Fraction(64, 48) * aspect


def test_an_overlay_of_decoded_frames(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "in.mp4", fps=10) as writer:
        for i in range(3):
            writer.write(np.full((64, 96, 3), (90, 60, 40), np.uint8), i / 10)
    source = open_video(tmp_path / "in.mp4")
    assert source.has_yuv_frames
    masks, scores = np.zeros((2, 64, 96), bool), np.zeros(2, np.float32)
    with OverlayWriter(tmp_path / "out.mp4", EXPRESSIONS, 10) as overlay:
        for frame in source.read((32, 48)):
            assert frame.image.shape == (32, 48, 3)
            assert frame.yuv_frame is not None
            overlay.write(
                FrameResult(
                    index=frame.index,
                    time=frame.time,
                    image=frame.image,
                    masks=masks,
                    scores=scores,
                    presences=scores,
                    expressions=EXPRESSIONS,
                    name=frame.name,
                    yuv_frame=frame.yuv_frame,
                )
            )
    written = open_video(tmp_path / "out.mp4")
    assert [frame.time for frame in written] == pytest.approx([0, 0.1, 0.2])
    last = list(written)[-1].image
    assert np.abs(last[-8:, -8:].astype(int) - (90, 60, 40)).max() <= 4
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.colorspace == 1, "taken over from the input"
