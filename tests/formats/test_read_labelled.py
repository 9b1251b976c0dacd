"""What is written is read back, and what other tools write is read."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
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


def test_segmented_output_with_its_video(tmp_path: Path) -> None:
    video = make_video(tmp_path / "dog.mp4")
    made = write_out(tmp_path / "out", video, every=2)
    found = read_labelled(tmp_path / "out", video)
    assert found.layout == "segment"
    for (frame, image), result in zip(found.with_images(), made, strict=True):
        assert np.array_equal(image, result.image)
        assert len(frame.things) == (0 if result.index == 2 else 2)
    assert [frame.image for frame in read_labelled(tmp_path / "out")] == [None] * 3


def test_a_folder_of_palette_images(tmp_path: Path) -> None:
    ids = np.zeros((6, 8), np.uint8)
    ids[1:3, 2:5], ids[4:, :2] = 1, 7
    for name in ("10", "9"):
        PillowImage.fromarray(ids).save(tmp_path / f"{name}.png")
    frames = list(read_labelled(tmp_path))
    assert [frame.name for frame in frames] == ["9", "10"]
    assert [(thing.track, int(thing.mask().sum())) for thing in frames[0].things] == [("1", 6), ("7", 4)]


def label_studio(tmp_path: Path, region: dict[str, object], **task: object) -> Path:
    file = tmp_path / "export.json"
    about = {"original_width": 20, "original_height": 10, "id": "r1"}
    annotation = {"result": [about | region], "was_cancelled": False}
    entry = {"id": 5, "data": {"image": "/data/upload/3/0a1b2c3d-dog.png"}, "annotations": [annotation]} | task
    file.write_text(json.dumps([entry]))
    PillowImage.new("RGB", (20, 10)).save(tmp_path / "dog.png")
    return file


def test_polygons_of_label_studio(tmp_path: Path) -> None:
    value = {"points": [[10, 20], [60, 20], [60, 80], [10, 80]], "closed": True, "polygonlabels": ["Dog"]}
    (frame,) = read_labelled(label_studio(tmp_path, {"type": "polygonlabels", "value": value}))
    (thing,) = frame.things
    expected = np.zeros((10, 20), bool)
    expected[2:8, 2:12] = True
    assert np.array_equal(thing.mask(), expected)
    assert thing.texts == ("Dog",)
    assert frame.image == tmp_path / "dog.png"


@pytest.mark.parametrize("kind", ["rectanglelabels", "videorectangle", "ellipselabels", "videovector"])
def test_shapes_that_are_no_masks_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UserError, match=r"task 5 of .*export.json holds an? .*, which is no mask: draw brush masks"):
        read_labelled(label_studio(tmp_path, {"type": kind, "value": {}}))


@pytest.mark.parametrize(
    "region",
    [
        {"type": "polygonlabels", "value": {"points": [[1, 2], ["a", 3], [4, 5]]}},
        {"type": "polygonlabels", "value": {"points": []}},
        {"type": "brushlabels", "value": {"rle": [1, 2, 3]}},
        {"type": "brushlabels", "value": {"rle": "text"}},
        {"type": "brushlabels", "value": {}},
    ],
)
def test_a_broken_region_of_label_studio(tmp_path: Path, region: dict[str, object]) -> None:
    (frame,) = read_labelled(label_studio(tmp_path, region))
    with pytest.raises(UserError, match=r"region 'r1' of task 5 of .* is broken"):
        frame.things[0].mask()


@pytest.mark.parametrize("task", [{"annotations": 3}, {"annotations": [{"result": [{"type": "brushlabels"}]}]}])
def test_a_malformed_task_of_label_studio(tmp_path: Path, task: dict[str, object]) -> None:
    with pytest.raises(UserError, match="task 5 of"):
        read_labelled(label_studio(tmp_path, {"type": "brushlabels", "value": {}}, **task))


def test_an_image_outside_of_the_folder_is_not_looked_for(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    PillowImage.new("RGB", (20, 10)).save(tmp_path / "secret.png")
    file = label_studio(inner, {"type": "choices", "value": {}}, data={"image": "/data/local-files/?d=../secret.png"})
    assert [frame.image for frame in read_labelled(file)] == [None]


def test_mots_of_another_program(tmp_path: Path) -> None:
    instances = tmp_path / "train" / "instances"
    instances.mkdir(parents=True)
    (instances / "labels.txt").write_text("car\nperson\n")
    ids = np.zeros((6, 8), np.uint16)
    ids[:2], ids[3], ids[5] = 1003, 2001, 10000
    PillowImage.fromarray(ids).save(instances / "a.png")
    (frame,) = read_labelled(tmp_path)
    assert [(thing.track, thing.label) for thing in frame.things] == [("car 3", "car"), ("person 1", "person")]
    ids[0] = 5001
    PillowImage.fromarray(ids).save(instances / "a.png")
    with pytest.raises(UserError, match=r"label number 5, but labels\.txt lists 2"):
        list(read_labelled(tmp_path))


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


@pytest.mark.parametrize("damage", [{"segmentations": [None]}, {"category_id": 9}, {"video_id": 9}])
def test_a_damaged_list_of_youtube_vis(tmp_path: Path, damage: dict[str, object]) -> None:
    write_out(tmp_path / "out", make_video(tmp_path / "dog.mp4"))
    convert(SegmentedVideo(tmp_path / "out"), "ytvis", tmp_path / "ytvis")
    content = json.loads((tmp_path / "ytvis" / "instances.json").read_text())
    content["annotations"][0] |= damage
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"a\.json"):
        read_labelled(tmp_path / "a.json")
