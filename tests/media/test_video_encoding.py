"""How videos are encoded: the codec that is there is used, and every frame rate fits."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vlp_rvos.media.video_encoding import H264_MP4, PRORES_4444_MOV, VP9_ALPHA_WEBM, WRITER_TIME_BASE, VideoEncoding
from vlp_rvos.media.yuv import rgb_to_yuv

ALL = (H264_MP4, PRORES_4444_MOV, VP9_ALPHA_WEBM)


@pytest.mark.parametrize(
    ("built", "codec"), [({"libx264", "mpeg4"}, "libx264"), ({"mpeg4"}, "mpeg4"), (set(), "mpeg4")]
)
def test_the_first_codec_that_is_there(monkeypatch: pytest.MonkeyPatch, built: set[str], codec: str) -> None:
    monkeypatch.setattr(av, "codecs_available", built)
    assert H264_MP4.codec.name == codec


@pytest.mark.parametrize(
    ("built", "codec"), [({"libopus", "libvorbis"}, "libopus"), ({"libvorbis"}, "libvorbis"), ({"aac"}, None)]
)
def test_the_first_codec_of_sound(monkeypatch: pytest.MonkeyPatch, built: set[str], codec: str | None) -> None:
    monkeypatch.setattr(av, "codecs_available", built)
    assert VP9_ALPHA_WEBM.sound_codec == codec


def test_which_have_an_alpha_channel() -> None:
    assert [encoding.has_alpha for encoding in ALL] == [False, True, True]


@pytest.mark.parametrize("encoding", ALL, ids=lambda one: one.container)
def test_the_stream_has_the_codec_and_the_metadata(tmp_path: Path, encoding: VideoEncoding) -> None:
    with av.open(str(tmp_path / f"a{encoding.suffix}"), "w", format=encoding.container) as container:
        stream = encoding.add_stream(container, Fraction(25))
        assert stream.codec_context.name == encoding.codec.name
        assert stream.codec_context.options == encoding.codec.options
        assert encoding.metadata.items() <= dict(stream.metadata).items()


@pytest.mark.parametrize("rate", [24, 25, 30, 50, 60, Fraction(24000, 1001), Fraction(30000, 1001)])
def test_usual_frame_rates_are_exact(rate: Fraction) -> None:
    assert (1 / Fraction(rate) / WRITER_TIME_BASE).denominator in (1, 2)
    assert WRITER_TIME_BASE.denominator < 2**16


@pytest.mark.parametrize("encoding", [PRORES_4444_MOV, VP9_ALPHA_WEBM])
@pytest.mark.parametrize(("height", "width"), [(48, 854), (28, 34)])
def test_one_colour_is_one_colour_in_every_plane(encoding: VideoEncoding, height: int, width: int) -> None:
    image = np.broadcast_to(np.array([200, 40, 90, 255], np.uint8), (height, width, 4))
    levels = 4 if encoding is PRORES_4444_MOV else 1
    expected = [*np.rint(levels * rgb_to_yuv(image[0, 0, :3], (0.2126, 0.0722))), 256 * levels - 1]
    for _ in range(5):
        frame = encoding.to_frame(image)
        for plane, value in zip(frame.planes, expected, strict=True):
            rows = np.frombuffer(memoryview(plane), "<u2" if levels == 4 else np.uint8).reshape(plane.height, -1)
            found = rows[:, : plane.width]
            assert found.min() == found.max()
            assert abs(int(found[0, 0]) - value) <= 1
