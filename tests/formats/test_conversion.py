"""Every format is written, appears whole or not at all, and replaces nothing but an earlier one of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from segmented import make_frames, make_picture, make_video, write_out
from written_formats import files_in

from vlp_rvos.errors import UserError
from vlp_rvos.formats.conversion import WRITERS, convert
from vlp_rvos.formats.converted_folder import LIST
from vlp_rvos.formats.format_names import FORMATS
from vlp_rvos.formats.palette_folders import DavisWriter
from vlp_rvos.formats.segmented_video import SegmentedVideo
from vlp_rvos.results import FrameResult

EXPECTED = {
    "davis": {"Annotations/Full-Resolution/dog/00000.png", "JPEGImages/Full-Resolution/dog/00004.jpg", "objects.txt"},
    "ref-youtube-vos": {"Annotations/dog/00000.png", "JPEGImages/dog/00004.jpg", "meta_expressions.json"},
    "ytvis": {"instances.json", "JPEGImages/dog/00004.jpg"},
    "coco": {"instances.json", "images/00004.jpg"},
    "cvat-coco": {"cvat-coco.zip", "labels.json"},
    "cvat-mots": {"cvat-mots.zip", "labels.json"},
    "label-studio": {"tasks.json", "labeling_config.xml", "dog.mp4"},
    "label-studio-brush": {"tasks.json", "labeling_config.xml", "images/00004.jpg"},
    "fiftyone": {"manifest.json", "labels/dog.json", "data/dog.mp4"},
    "datumaro": {"annotations/default.json", "images/default/00004.jpg"},
    "png-alpha": {"dog/dog_00000.png", "dog/dog_00004.png"},
    "prores4444": {"dog.mov"},
    "webm-alpha": {"dog.webm"},
    "exr": {"dog_00000.exr", "dog_00004.exr"},
    "highlight": {"dog.mp4"},
    "blur": {"dog.mp4"},
    "remove-background": {"dog.mp4"},
}


@pytest.fixture
def opened(tmp_path: Path) -> SegmentedVideo:
    video = make_video(tmp_path / "dog.mp4")
    write_out(tmp_path / "out", video)
    return SegmentedVideo(tmp_path / "out", video)


def test_every_format_has_a_writer() -> None:
    assert WRITERS.keys() == FORMATS.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_and_replaces_its_own(tmp_path: Path, opened: SegmentedVideo, name: str) -> None:
    if name == "exr":
        pytest.importorskip("OpenEXR")
    target = tmp_path / "out" / name
    for _ in range(2):
        assert convert(opened, name, target) == 5
        found = files_in(target)
        assert found >= EXPECTED[name] | {LIST}
        assert not any("part" in path or "staging" in path for path in found)
    assert {x.name for x in (tmp_path / "out").iterdir()} == {"masks.json", name}


def test_a_foreign_folder_is_kept(tmp_path: Path, opened: SegmentedVideo) -> None:
    with pytest.raises(UserError, match=r"holds 'masks\.json' that vlp-rvos did not write"):
        convert(opened, "coco", tmp_path / "out")


def test_a_failure_leaves_nothing(tmp_path: Path, opened: SegmentedVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: DavisWriter, result: FrameResult) -> None:
        if result.index == 3:
            raise KeyboardInterrupt
        (self.folder / f"{result.index}").write_text("x")

    monkeypatch.setattr(DavisWriter, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert(opened, "davis", tmp_path / "davis")
    assert {x.name for x in tmp_path.iterdir()} == {"dog.mp4", "out"}


@pytest.mark.parametrize("name", [name for name, entry in FORMATS.items() if entry.needs_video])
def test_a_format_that_needs_pixels_says_so(tmp_path: Path, opened: SegmentedVideo, name: str) -> None:
    with pytest.raises(UserError, match="--video"):
        convert(SegmentedVideo(tmp_path / "out"), name, tmp_path / name)


@pytest.mark.parametrize("name", ["davis", "ytvis", "coco", "cvat-mots", "label-studio", "datumaro"])
def test_without_the_video_there_are_masks_alone(tmp_path: Path, opened: SegmentedVideo, name: str) -> None:
    assert convert(SegmentedVideo(tmp_path / "out"), name, tmp_path / name) == 5
    assert not [path for path in files_in(tmp_path / name) if path.endswith((".jpg", ".mp4"))]


def test_a_folder_of_frames_of_odd_size(tmp_path: Path) -> None:
    folder = make_frames(tmp_path / "frames.v1")
    write_out(tmp_path / "out", folder)
    for name in ("davis", "coco", "prores4444", "webm-alpha", "blur", "exr"):
        if name == "exr":
            pytest.importorskip("OpenEXR")
        assert convert(SegmentedVideo(tmp_path / "out", folder), name, tmp_path / name) == 5


@pytest.mark.parametrize("make", [make_frames, make_picture])
def test_what_a_format_cannot_hold_is_refused_before_the_work(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    source = make(tmp_path / "dog.png")
    write_out(tmp_path / "out", source)
    with pytest.raises(UserError, match="convert it to coco"):
        convert(SegmentedVideo(tmp_path / "out", source), "fiftyone", tmp_path / "new" / "fiftyone")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["blur", "coco"])
def test_the_video_is_not_replaced(tmp_path: Path, opened: SegmentedVideo, name: str) -> None:
    target = tmp_path / "out" / "blur"
    convert(opened, "blur", target)
    video, before = target / "dog.mp4", files_in(target)
    write_out(tmp_path / "second", video)
    with pytest.raises(UserError, match="would replace the input"):
        convert(SegmentedVideo(tmp_path / "second", video), name, target)
    assert files_in(target) == before


@pytest.mark.parametrize("name", FORMATS)
def test_two_frames_of_one_name_are_refused(tmp_path: Path, opened: SegmentedVideo, name: str) -> None:
    file = opened.masks.path
    file.write_text(file.read_text().replace('"name": "00002"', '"name": "00001"'))
    if name == "exr":
        pytest.importorskip("OpenEXR")
    with pytest.raises(UserError, match="two frames that would be called '00001'"):
        convert(opened, name, tmp_path / "out" / name)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["masks.json"]
