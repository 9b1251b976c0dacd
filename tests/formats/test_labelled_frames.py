"""Labelled frames with their images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clips import brightness, frames, write_video
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError
from vlp_rvos.formats.labelled_frames import LabelledFrame, LabelledFrames, LabelledThing, VideoFrameReference


def labelled(*images: Path | VideoFrameReference | None, size: tuple[int, int] | None = None) -> LabelledFrames:
    def read() -> Iterator[LabelledFrame]:
        for i, image in enumerate(images):
            yield LabelledFrame("", f"{i}", i, size, image, ())

    return LabelledFrames(Path("labels"), "made up", read)


def picture(path: Path) -> Path:
    PillowImage.new("RGB", (20, 10), "red").save(path)
    return path


def test_frames_can_be_read_again_and_those_without_pixels_are_left_out(tmp_path: Path) -> None:
    found = labelled(None, picture(tmp_path / "a.png"), None, size=(10, 20))
    assert len(list(found)) == len(list(found)) == 3
    ((frame, image),) = found.with_images()
    assert frame.name == "1"
    assert (image == (255, 0, 0)).all()


def test_an_image_of_another_size_is_refused(tmp_path: Path) -> None:
    found = labelled(picture(tmp_path / "a.png"), size=(20, 10))
    with pytest.raises(UserError, match="the image of frame 0 of labels is 20x10, its masks are 10x20"):
        list(found.with_images())


def test_frames_of_videos_are_found_by_their_times(tmp_path: Path) -> None:
    first = write_video(tmp_path / "a.mp4", frames(6))
    second = write_video(tmp_path / "b.mp4", frames(3))
    places = [(first, 0.0), (first, 0.3), (second, 0.2), (first, 0.5)]
    found = labelled(*(VideoFrameReference(video, time) for video, time in places))
    levels = [brightness(image) for _, image in found.with_images()]
    assert levels == pytest.approx([40, 70, 60, 90], abs=3)


@pytest.mark.parametrize("time", [0.15, 0.6])
def test_a_time_without_a_frame(tmp_path: Path, time: float) -> None:
    video = write_video(tmp_path / "a.mp4", frames(6))
    found = labelled(VideoFrameReference(video, 0.0), VideoFrameReference(video, time)).with_images()
    next(found)
    with pytest.raises(UserError, match=rf"a\.mp4 has no frame at {time:.3f} s"):
        next(found)


def test_a_missing_video(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        list(labelled(VideoFrameReference(tmp_path / "a.mp4", 0.0)).with_images())


@pytest.mark.parametrize(
    ("label", "expressions", "texts"),
    [("dog", ("a", "b"), ("a", "b")), ("dog", (), ("dog",)), ("", (), ())],
)
def test_the_texts_of_a_thing(label: str, expressions: tuple[str, ...], texts: tuple[str, ...]) -> None:
    thing = LabelledThing("1", label, expressions, lambda: np.ones((1, 1), bool))
    assert thing.texts == texts


def test_masks_are_read_only_when_they_are_asked_for() -> None:
    calls: list[int] = []
    thing = LabelledThing("1", "", (), lambda: np.full((1, 1), bool(calls.append(1)) or True))
    assert calls == []
    assert thing.mask().all()
    assert thing.mask().all()
    assert len(calls) == 2
