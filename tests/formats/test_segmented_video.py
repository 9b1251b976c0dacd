"""Results with their video: frames are found by their times."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from clips import brightness, frames, write_folder, write_video
from segmented import images, make_frames, make_moving_picture, make_picture, make_video, write_out

from vlp_rvos.errors import UserError
from vlp_rvos.formats.segmented_video import SegmentedVideo


@pytest.mark.parametrize("options", [{}, {"every": 2}, {"start": 0.25}, {"start": 0.3, "every": 3, "end": 0.95}])
def test_each_mask_gets_its_frame(tmp_path: Path, options: dict[str, float]) -> None:
    video = write_video(tmp_path / "a.mp4", frames(12))
    made = write_out(tmp_path / "out", video, **options)
    opened = SegmentedVideo(tmp_path / "out", video)
    found = list(opened)
    assert [x.index for x in found] == [x.index for x in made]
    for ours, theirs in zip(found, made, strict=True):
        assert brightness(ours.image) == pytest.approx(brightness(theirs.image), abs=1)
        assert np.array_equal(ours.masks, theirs.masks)
    header = opened.header
    assert (header.fps, header.step) == (pytest.approx(10), options.get("every", 1))
    assert header.media_fps == pytest.approx(10 / header.step)
    assert [header.frame_number(x) for x in found] == [round(10 * x.time) for x in made]


def test_a_variable_frame_rate(tmp_path: Path) -> None:
    times = [0, 0.1, 0.5, 0.55, 1.3]
    video = write_video(tmp_path / "a.mp4", frames(5), times)
    write_out(tmp_path / "out", video)
    found = list(SegmentedVideo(tmp_path / "out", video))
    assert [x.time for x in found] == pytest.approx(times, abs=1e-3)
    assert [brightness(x.image) for x in found] == pytest.approx([40 + 10 * i for i in range(5)], abs=3)


def test_without_the_video(tmp_path: Path) -> None:
    write_out(tmp_path / "out", make_video(tmp_path / "a.mp4"))
    opened = SegmentedVideo(tmp_path / "out" / "masks.json")
    assert [x.image.size for x in opened] == [0] * 5
    assert opened.header.video is None


def make_dotted_frames(path: Path) -> Path:
    return write_folder(path, images(2, (33, 27)), pattern="shot_{}")


@pytest.mark.parametrize(
    ("file", "make", "kind", "name", "copy"),
    [
        ("dog.mp4", make_video, "file", "dog", "dog.mp4"),
        ("dog.png", make_picture, "picture", "dog", "dog.png"),
        ("moving.png", make_moving_picture, "file", "moving", "moving.png"),
        ("frames", make_frames, "folder", "frames", "frames.mp4"),
        ("clip.v2", make_dotted_frames, "folder", "clip.v2", "clip.v2.mp4"),
        ("scan.png", make_dotted_frames, "folder", "scan.png", "scan.png.mp4"),
    ],
)
@pytest.mark.parametrize("is_given", [True, False])
def test_what_a_video_is_does_not_hang_on_the_end_of_its_name(
    tmp_path: Path, file: str, make: Callable[[Path], Path], kind: str, name: str, copy: str, is_given: bool
) -> None:
    video = make(tmp_path / file)
    write_out(tmp_path / "out", video)
    header = SegmentedVideo(tmp_path / "out", video if is_given else None).header
    assert (header.kind, header.name, header.video_file_name) == (kind, name, copy)


def test_another_video(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.mp4")
    write_out(tmp_path / "out", video)
    with pytest.raises(UserError, match="is 32x48, but the masks are 64x48"):
        SegmentedVideo(tmp_path / "out", make_video(tmp_path / "b.mp4", size=(32, 48)))
    short = make_video(tmp_path / "c.mp4", number=3)
    with pytest.raises(UserError, match=r"c\.mp4 has no frame at 0\.300 s"):
        list(SegmentedVideo(tmp_path / "out", short))
    with pytest.raises(UserError, match="no such file"):
        SegmentedVideo(tmp_path / "nothing")


def test_no_frames(tmp_path: Path) -> None:
    write_out(tmp_path / "out", make_video(tmp_path / "a.mp4"))
    path = tmp_path / "out" / "masks.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"frames": []}))
    with pytest.raises(UserError, match="holds no frames"):
        SegmentedVideo(tmp_path / "out")


def test_names_of_frames_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    from vlp_rvos.formats.conversion import convert

    write_out(tmp_path / "out", make_frames(tmp_path / "frames"))
    path = tmp_path / "out" / "masks.json"
    content = json.loads(path.read_text())
    content["video"]["name"] = "../../evil"
    for frame, name in zip(content["frames"], ["../x", "/abs", "a/../b", "con", ".hidden"], strict=True):
        frame["name"] = name
    path.write_text(json.dumps(content))
    convert(SegmentedVideo(tmp_path / "out"), "ref-youtube-vos", tmp_path / "target")
    written = sorted(x.relative_to(tmp_path / "target").as_posix() for x in (tmp_path / "target").rglob("*.png"))
    assert written == [f"Annotations/evil/{i:05d}.png" for i in range(5)]
    assert {x.name for x in tmp_path.iterdir()} == {"out", "frames", "target"}
