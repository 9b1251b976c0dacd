"""The sound beside pictures that are written: in step, whole, and left out where it cannot be read."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from clips import FPS, cut, write_sound
from segmented import beeps_of, images, make_beeping_video, make_video

from vlp_rvos.media.sound_track import SoundTrack
from vlp_rvos.media.video_encoding import H264_MP4, PRORES_4444_MOV, VP9_ALPHA_WEBM, VideoEncoding
from vlp_rvos.media.video_file import VideoFile
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_writer import VideoWriter


def sound_of(path: Path, start: float = 0.0) -> SoundTrack:
    source = open_video(path)
    assert isinstance(source, VideoFile)
    return SoundTrack(source, start)


def write(path: Path, sound: SoundTrack, number: int = 20, encoding: VideoEncoding = H264_MP4) -> Path:
    with VideoWriter(path, FPS, encoding=encoding, sound=sound) as writer:
        for i, image in enumerate(images(number, (64, 48))):
            writer.write(image, i / FPS)
    return path


def length_of(path: Path) -> float:
    with av.open(str(path)) as container:
        sound = container.streams.audio[0]
        return sum(frame.samples for frame in container.decode(sound)) / sound.rate


@pytest.mark.parametrize("encoding", [H264_MP4, PRORES_4444_MOV, VP9_ALPHA_WEBM], ids=lambda one: one.container)
def test_sound_is_kept_in_step(tmp_path: Path, encoding: VideoEncoding) -> None:
    video = make_beeping_video(tmp_path / "dog.mp4", [0.3, 0.8, 1.4])
    path = write(tmp_path / f"out{encoding.suffix}", sound_of(video), encoding=encoding)
    assert beeps_of(path) == pytest.approx([0.3, 0.8, 1.4], abs=0.02)


@pytest.mark.parametrize(("start", "beeps"), [(0.5, [0.3, 0.9]), (1.3, [0.1])])
def test_a_later_start_ends_with_the_pictures(tmp_path: Path, start: float, beeps: list[float]) -> None:
    video = make_beeping_video(tmp_path / "dog.mp4", [0.3, 0.8, 1.4])
    number = round(FPS * (1.6 - start))
    path = write(tmp_path / "out.mp4", sound_of(video, start), number)
    assert beeps_of(path) == pytest.approx(beeps, abs=0.02)
    assert length_of(path) == pytest.approx(number / FPS, abs=0.05)


def test_sound_that_is_shorter_than_the_pictures_ends_early(tmp_path: Path) -> None:
    video = make_beeping_video(tmp_path / "dog.mp4", [0.3], seconds=0.5)
    assert length_of(write(tmp_path / "out.mp4", sound_of(video), 20)) == pytest.approx(0.5, abs=0.06)


def test_mono_stays_mono(tmp_path: Path) -> None:
    video = make_beeping_video(tmp_path / "dog.mp4", [0.3], seconds=0.5)
    with av.open(str(write(tmp_path / "out.mp4", sound_of(video), 5))) as container:
        assert container.streams.audio[0].codec_context.channels == 1


def test_a_failure_closes_the_source_and_leaves_nothing(tmp_path: Path) -> None:
    video = make_beeping_video(tmp_path / "dog.mp4", [0.3], seconds=0.5)
    sound = sound_of(video)
    writer = VideoWriter(tmp_path / "out.mp4", FPS, sound=sound)
    writer.write(images(1, (64, 48))[0], 0)
    with pytest.raises(KeyboardInterrupt), writer:
        raise KeyboardInterrupt
    assert sound._samples is None
    assert [path.name for path in tmp_path.iterdir()] == ["dog.mp4"]


def test_which_files_have_sound(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    write_sound(tmp_path / "sound.mp4")
    both = make_beeping_video(tmp_path / "both.mp4", [0.3], seconds=0.5)
    make_video(tmp_path / "silent.mp4")
    cut(both, 0.5)
    found = {path.name for path in tmp_path.iterdir() if SoundTrack.is_in(path)}
    assert found == {"sound.mp4", "both.mp4"}
    assert not SoundTrack.is_in(tmp_path / "nothing.mp4")
