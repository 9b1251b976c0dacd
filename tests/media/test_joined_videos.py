from __future__ import annotations

from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path

import av
import pytest
from clips import noise

from vlp_rvos.errors import VLPRVOSWarning
from vlp_rvos.media.joined_videos import has_joined_video
from vlp_rvos.media.video_reader import open_video

COUNT = 6


def write(path: Path, codec: str, pixels: str = "yuv420p", **options: str) -> Path:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for image in noise(COUNT):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image[:48, :64], "rgb24")))
        container.mux(stream.encode(None))
    return path


def joined(path: Path) -> Path:
    together = path.with_name(f"joined{path.suffix}")
    together.write_bytes(path.read_bytes() * 2)
    return together


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mkv", "libx264", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.ts", "mpeg2video", "yuv420p"),
        ("a.gif", "gif", "rgb8"),
        ("a.mp4", "libx264", "yuv420p"),
        ("a.flv", "flv", "yuv420p"),
        ("a.flv", "libx264", "yuv420p"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*time stamps go back")
def test_a_joined_video_is_read_or_named(name: str, codec: str, pixels: str, tmp_path: Path) -> None:
    file = write(tmp_path / name, codec, pixels)
    alone = open_video(file)
    assert len(list(alone)) == COUNT
    assert alone.problem is None
    both = open_video(joined(file))
    with pytest.warns(VLPRVOSWarning) if name in ("a.mp4", "a.flv") else nullcontext():
        read = len(list(both))
    if name in ("a.mp4", "a.flv"):
        assert read == COUNT
        assert both.problem is not None
        assert "another video is joined to this one" in both.problem
    else:
        assert read == 2 * COUNT


def test_fragments(tmp_path: Path) -> None:
    file = write(tmp_path / "a.mp4", "libx264", movflags="frag_keyframe+empty_moov")
    alone = open_video(file)
    assert len(list(alone)) == COUNT
    assert alone.problem is None
    both = joined(file)
    with pytest.warns(VLPRVOSWarning, match="another video is joined to this one"):
        assert len(list(open_video(both))) == COUNT
    # Fragments of one video may repeat their index. Then the last frame that was read lies behind it.
    assert not has_joined_video(both, "mov,mp4,m4a,3gp,3g2,mj2", both.stat().st_size - 100)


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b"\0\0\0\x08moov" * 2, b"\0\0\0\x01moov" + b"\xff" * 8])
def test_any_content_is_looked_at(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    assert has_joined_video(tmp_path / "a.mp4", "mp4", 0) == (content.count(b"moov") == 2)
    assert not has_joined_video(tmp_path / "a.mp4", "flv", 10)
