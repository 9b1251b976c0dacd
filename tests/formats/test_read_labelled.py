"""What is written is read back, and what other tools write is read."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from segmented import TEXTS, make_frames, make_video, write_out

from vlp_rvos.errors import UserError
from vlp_rvos.formats.conversion import convert
from vlp_rvos.formats.read_labelled import read_labelled
from vlp_rvos.formats.segmented_video import SegmentedVideo
from vlp_rvos.results import FrameResult, label_map

#: Format -> what to read, layout, whether overlaps are kept, whether words are the expressions (or the labels).
ROUND_TRIPS = {
    "davis": ("", "davis", False),
    "ref-youtube-vos": ("", "ref-youtube-vos", False),
    "ytvis": ("instances.json", "ytvis", True),
    "coco": ("", "coco", True),
    "cvat-coco": ("cvat-coco.zip", "coco", True),
    "cvat-mots": ("cvat-mots.zip", "mots", False),
    "label-studio-brush": ("", "label-studio", True),
}


def expected_masks(result: FrameResult, overlaps: bool) -> list[np.ndarray]:
    labels = label_map(result.masks, result.scores)
    return [result.masks[i] if overlaps else labels == i + 1 for i in range(2)]


@pytest.mark.parametrize("name", ROUND_TRIPS)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_round_trip(tmp_path: Path, name: str, kind: str) -> None:
    video = make_video(tmp_path / "dog.mp4") if kind == "file" else make_frames(tmp_path / "dog")
    made = write_out(tmp_path / "out", video)
    convert(SegmentedVideo(tmp_path / "out", video), name, tmp_path / name)
    inner, layout, overlaps = ROUND_TRIPS[name]
    found = read_labelled(tmp_path / name / inner)
    assert found.layout == layout
    read = list(found)
    assert len(read) == len(made) == len(list(found))
    for frame, result in zip(read, made, strict=True):
        masks = {text: thing.mask() for thing in frame.things for text in thing.texts if thing.mask().any()}
        wanted = dict(zip(TEXTS, expected_masks(result, overlaps), strict=True))
        wanted = {text: mask for text, mask in wanted.items() if mask.any()}
        assert masks.keys() == wanted.keys()
        for text, mask in masks.items():
            assert np.array_equal(mask, wanted[text])
    tracks = [{(thing.track, thing.texts) for thing in frame.things} for frame in read]
    assert tracks[0] == tracks[1] == tracks[3]
    with_images = list(found.with_images())
    assert len(with_images) == 5
    for (_, image), result in zip(with_images, made, strict=True):
        assert np.abs(image.astype(int) - result.image).mean() < 3


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_what_macos_puts_beside_files_is_passed_over(tmp_path: Path, name: str) -> None:
    video = make_video(tmp_path / "dog.mp4")
    made = write_out(tmp_path / "out", video)
    convert(SegmentedVideo(tmp_path / "out", video), name, tmp_path / name)
    labelled = tmp_path / name / ROUND_TRIPS[name][0]
    if labelled.suffix == ".zip":
        with zipfile.ZipFile(labelled, "a") as archive:
            for entry in archive.namelist():
                archive.writestr(f"__MACOSX/{entry}/._it", "no picture")
    for file in [path for path in (tmp_path / name).rglob("*") if path.is_file()]:
        file.with_name(f"._{file.name}").write_text("no picture")
    for frame, result in zip(read_labelled(labelled), made, strict=True):
        wanted = [mask for mask in expected_masks(result, ROUND_TRIPS[name][2]) if mask.any()]
        assert len([thing for thing in frame.things if thing.mask().any()]) == len(wanted)


def test_segmented_output_with_its_video(tmp_path: Path) -> None:
    video = make_video(tmp_path / "dog.mp4")
    made = write_out(tmp_path / "out", video, every=2)
    found = read_labelled(tmp_path / "out", video)
    assert found.layout == "segment"
    for (frame, image), result in zip(found.with_images(), made, strict=True):
        assert np.array_equal(image, result.image)
        assert len(frame.things) == (0 if result.index == 2 else 2)
    assert [frame.image for frame in read_labelled(tmp_path / "out")] == [None] * 3


def test_a_zip_file_cannot_write_outside(tmp_path: Path) -> None:
    path = tmp_path / "inner" / "a.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../evil.txt", "x")
    with pytest.raises(UserError, match="nothing labelled"):
        read_labelled(path)
    assert {x.name for x in tmp_path.iterdir()} == {"inner"}


@pytest.mark.parametrize(
    "content", ["{}", "[1]", '{"images": 3, "annotations": [], "categories": []}', "{", '[{"x": 1}]']
)
def test_other_json_files(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    for path in (tmp_path, tmp_path / "a.json"):
        with pytest.raises(UserError):
            read_labelled(path)


@pytest.mark.parametrize("name", ["nothing", "a.txt", "empty", "a.zip"])
def test_other_paths(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.zip").write_bytes(b"PK\3\4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError):
        read_labelled(tmp_path / name)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_zip_files_are_refused_in_one_line(
    tmp_path: Path, method: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "unpacked"))
    (tmp_path / "unpacked").mkdir()
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("instances.json", str(list(range(1000))))
    data = path.read_bytes()
    for place in range(45, 200, 9):
        path.write_bytes(data[:place] + b"\xff" * 20 + data[place + 20 :])
        with pytest.raises(UserError, match=r"^cannot unpack [^\n]*$"):
            read_labelled(path)
    assert list((tmp_path / "unpacked").iterdir()) == []


def test_a_zip_file_that_would_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("instances.json", b" " * 2**20)
    monkeypatch.setattr("vlp_rvos.formats.read_labelled.KEPT_FREE", shutil.disk_usage("/").total * 2)
    with pytest.raises(UserError, match="has no room"):
        read_labelled(path)


@pytest.mark.parametrize("name", ["/dev/zero", "a\0b", "x" * 5000])
def test_paths_that_are_no_files(name: str) -> None:
    with pytest.raises(UserError, match=r"^(no such file or folder|/dev/zero is a device)"):
        read_labelled(name)
