"""Planes and colours of yuv420p frames, against FFmpeg's own conversion."""

from __future__ import annotations

import av
import numpy as np
import pytest
from clips import yuv_frame

from vlp_rvos.media.yuv import copy_yuv_frame, luma_weights, rgb_to_yuv, yuv_planes


def test_planes_share_the_memory_of_their_frame() -> None:
    # 50 pixels are no multiple of what FFmpeg aligns rows to.
    frame = yuv_frame((50, 34))
    planes = yuv_planes(frame)
    assert [plane.shape for plane in planes] == [(34, 50), (17, 25), (17, 25)]
    assert np.array_equal(np.concatenate([plane.ravel() for plane in planes]), frame.to_ndarray().ravel())
    planes[0][3, 4] = 77
    assert frame.to_ndarray()[3, 4] == 77


def test_drawing_on_a_copy_leaves_the_frame() -> None:
    frame = yuv_frame()
    copy = copy_yuv_frame(frame)
    assert np.array_equal(copy.to_ndarray(), frame.to_ndarray())
    yuv_planes(copy)[0][:] = 0
    assert yuv_planes(frame)[0].any()


@pytest.mark.parametrize(("name", "code"), [("ITU709", 1), ("ITU601", 5), ("ITU601", 2)])
def test_colours_are_those_of_ffmpeg(name: str, code: int) -> None:
    colours = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [12, 200, 99]], np.uint8)
    image = np.repeat(np.repeat(colours[None], 2, 0), 2, 1)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame = frame.reformat(format="yuv444p", dst_colorspace=name, dst_color_range="MPEG")
    frame.colorspace = code
    expected = frame.to_ndarray()[:, 0, ::2].T
    assert np.abs(rgb_to_yuv(colours, luma_weights(frame)) - expected).max() <= 1.5
