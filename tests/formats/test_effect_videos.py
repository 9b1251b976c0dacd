"""Cut-outs and videos made with masks: pixels, alpha, times and sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from clips import FPS
from segmented import beeps_of, images, make_beeping_video, make_frames, make_video, write_out
from written_formats import converted

from vlp_rvos.formats.conversion import convert
from vlp_rvos.formats.segmented_video import SegmentedVideo
from vlp_rvos.media.video_writer import VideoWriter


def decoded(path: Path, codec: str | None = None) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if codec is None:
            return list(container.decode(stream))
        decoder = av.CodecContext.create(codec, "r")
        return [frame for packet in container.demux(stream) if packet.size for frame in decoder.decode(packet)]


@pytest.mark.parametrize(
    ("name", "suffix", "codec", "bits"),
    [("prores4444", ".mov", None, "yuva444p12le"), ("webm-alpha", ".webm", "libvpx-vp9", "yuva420p")],
)
@pytest.mark.parametrize("size", [(64, 48), (33, 27)])
def test_cut_outs_with_alpha(
    tmp_path: Path, name: str, suffix: str, codec: str | None, bits: str, size: tuple[int, int]
) -> None:
    folder, made = converted(tmp_path, name, make_frames(tmp_path / "dog", size=size))
    found = decoded(folder / f"dog{suffix}", codec)
    assert len(found) == len(made)
    for frame, result in zip(found, made, strict=True):
        assert (frame.width, frame.height, frame.format.name) == (*size, bits)
        rgba = frame.reformat(format="rgba").to_ndarray()
        mask = result.masks.any(axis=0)
        # VP9 loses a little along the edges.
        assert ((rgba[..., 3] > 127) != mask).mean() < (0.02 if codec else 1e-9)
        if mask.any():
            assert np.abs(rgba[..., :3].astype(int) - result.image)[mask].mean() < 6
    times = [float(frame.pts * frame.time_base) for frame in decoded(folder / f"dog{suffix}")]
    assert times == pytest.approx([result.time for result in made], abs=1e-3)


@pytest.mark.parametrize("blur", ["thing", "rest"])
def test_blur(tmp_path: Path, blur: str) -> None:
    folder, made = converted(tmp_path, "blur", make_video(tmp_path / "dog.mp4"), blur=blur)
    assert len(decoded(folder / "dog.mp4")) == len(made)


def test_the_chosen_background(tmp_path: Path) -> None:
    folder, made = converted(tmp_path, "remove-background", make_video(tmp_path / "dog.mp4"), colour="white")
    frame = decoded(folder / "dog.mp4")[2].to_ndarray(format="rgb24")
    assert frame.min() > 245
    assert not made[2].masks.any()


def test_sound_of_a_part_of_the_video(tmp_path: Path) -> None:
    video = make_beeping_video(tmp_path / "dog.mp4", [0.3, 0.8, 1.4])
    write_out(tmp_path / "out", video, start=0.5, end=1.2)
    convert(SegmentedVideo(tmp_path / "out", video), "highlight", tmp_path / "video")
    path = tmp_path / "video" / "dog.mp4"
    assert beeps_of(path) == pytest.approx([0.3], abs=0.02)
    with av.open(str(path)) as container:
        sound = container.streams.audio[0]
        assert float(sound.duration * sound.time_base) == pytest.approx(7 / FPS, abs=0.05)


def test_a_silent_video_stays_silent(tmp_path: Path) -> None:
    folder, _ = converted(tmp_path, "highlight", make_video(tmp_path / "dog.mp4"))
    with av.open(str(folder / "dog.mp4")) as container:
        assert not container.streams.audio


def test_a_variable_frame_rate_stays_variable(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.5, 0.55, 1.3]
    with VideoWriter(tmp_path / "dog.mp4", 10) as writer:
        for image, time in zip(images(5, (64, 48)), times, strict=True):
            writer.write(image, time)
    for name, suffix in (("highlight", ".mp4"), ("prores4444", ".mov"), ("webm-alpha", ".webm")):
        folder, _ = converted(tmp_path, name, tmp_path / "dog.mp4")
        found = [float(x.pts * x.time_base) for x in decoded(folder / f"dog{suffix}")]
        assert found == pytest.approx(times, abs=1e-3)
