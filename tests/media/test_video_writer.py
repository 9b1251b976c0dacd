"""The writer of videos: sizes, times and colours come back, and a failure leaves the earlier file."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from clips import FPS, frames, yuv_frame

from vlp_rvos.errors import UserError
from vlp_rvos.media.video_encoding import H264_MP4, PRORES_4444_MOV, VP9_ALPHA_WEBM, VideoEncoding
from vlp_rvos.media.video_writer import VideoWriter


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


def test_yuv_frames_are_written_without_a_conversion(tmp_path: Path) -> None:
    original = yuv_frame((64, 48))
    with VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write_yuv(original, 0, original)
    with av.open(str(tmp_path / "a.mp4")) as container:
        (written,) = container.decode(video=0)
    assert np.abs(written.to_ndarray().astype(int) - original.to_ndarray()).mean() < 2


def test_frames_of_another_kind_are_refused(tmp_path: Path) -> None:
    frame = yuv_frame((64, 48))
    smaller = frame.reformat(32, 32)
    with VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write_yuv(frame, 0, frame)
        for other in (smaller, frame.reformat(format="yuv444p")):
            with pytest.raises(ValueError, match="in a yuv420p video"):
                writer.write_yuv(other, 1, frame)


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


@pytest.mark.parametrize("encoding", [H264_MP4, PRORES_4444_MOV, VP9_ALPHA_WEBM], ids=lambda one: one.suffix)
def test_a_size_that_the_encoder_refuses(tmp_path: Path, encoding: VideoEncoding) -> None:
    channels = 4 if encoding.has_alpha else 3
    with (
        pytest.raises(UserError, match=r"^a\.x cannot be written: .* takes no frames of "),
        VideoWriter(tmp_path / "a.x", FPS, encoding=encoding) as writer,
    ):
        writer.write(np.zeros((70000, 2, channels), np.uint8), 0.0)
    assert list(tmp_path.iterdir()) == []
