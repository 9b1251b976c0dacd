"""Labelled frames that one JSON file lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError
from vlp_rvos.formats.labelled_lists import read_coco, read_ytvis
from vlp_rvos.media.rle import encode_mask

SIZE = (6, 8)
MASK = np.zeros(SIZE, bool)
MASK[1:4, 2:7] = True
RLE = encode_mask(MASK, (0, 0), SIZE)
BOX = {"bbox": [2, 1, 5, 3], "area": 15}
CATEGORIES = [{"id": 3, "name": "dog"}]


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", (8, 6)).save(path)
    return path


# --- COCO ------------------------------------------------------------------------------------------------------------
def coco(*annotations: dict[str, Any], name: str = "a.png") -> dict[str, Any]:
    """A list of one image; each annotation replaces values of a mask."""
    about = {"image_id": 1, "category_id": 3, "iscrowd": 0, "segmentation": RLE} | BOX
    return {
        "images": [{"id": 1, "file_name": name, "width": 8, "height": 6}],
        "categories": CATEGORIES,
        "annotations": [{"id": i + 1} | about | one for i, one in enumerate(annotations)],
    }


def test_crowds_are_left_out_and_run_lengths_of_any_kind_are_read(tmp_path: Path) -> None:
    flat = MASK.T.ravel()
    runs = [len(part) for part in np.split(flat, np.flatnonzero(flat[1:] != flat[:-1]) + 1)]
    polygon = [[2, 1, 7, 1, 7, 4, 2, 4]]
    kinds = ({}, {"segmentation": {"size": [6, 8], "counts": runs}}, {"segmentation": polygon})
    crowd = {"iscrowd": 1, "segmentation": {"size": [6, 8], "counts": [0, 48]}}
    (frame,) = read_coco(write(tmp_path / "a.json", coco(*kinds, crowd)))
    assert [(thing.track, thing.label) for thing in frame.things] == [(f"annotation {i}", "dog") for i in (1, 2, 3)]
    for thing in frame.things:
        assert np.array_equal(thing.mask(), MASK)


def test_overlapping_masks_are_kept_whole(tmp_path: Path) -> None:
    (frame,) = read_coco(write(tmp_path / "a.json", coco({}, {})))
    assert [int(thing.mask().sum()) for thing in frame.things] == [15, 15]


def test_an_image_without_annotations_is_a_frame_without_things(tmp_path: Path) -> None:
    (frame,) = read_coco(write(tmp_path / "a.json", coco()))
    assert (frame.name, frame.size, frame.things, frame.image) == ("a.png", SIZE, (), None)


@pytest.mark.parametrize("place", ["images", "JPEGImages", "data", ".", "../images/train", "../images", ".."])
def test_images_are_found_where_tools_lay_them(tmp_path: Path, place: str) -> None:
    file = write(tmp_path / "annotations" / "instances_train.json", coco({}))
    image = picture(file.parent / place / "a.png")
    (frame,) = read_coco(file)
    assert frame.image is not None
    assert frame.image.samefile(image)  # type: ignore[union-attr]


def test_tracks_make_a_video(tmp_path: Path) -> None:
    (frame,) = read_coco(write(tmp_path / "dog.json", coco({"attributes": {"track_id": 5}})))
    assert (frame.video, frame.things[0].track) == ("dog", "5")


@pytest.mark.parametrize("name", ["../secret.png", "/secret.png", "a/../../secret.png", "", "a\0.png"])
def test_a_name_that_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "secret.png")
    with pytest.raises(UserError, match=r"a\.json"):
        list(read_coco(write(tmp_path / "inner" / "a.json", coco({}, name=name))))


def test_a_name_that_is_too_long_for_a_file_is_an_image_that_is_not_there(tmp_path: Path) -> None:
    (frame,) = read_coco(write(tmp_path / "a.json", coco({}, name="a" * 300 + ".png")))
    assert frame.image is None


@pytest.mark.parametrize(
    "damage", [{"segmentation": {"size": [6, 8], "counts": [1]}}, {"segmentation": RLE | {"size": [8, 6]}}]
)
def test_a_broken_mask(tmp_path: Path, damage: dict[str, Any]) -> None:
    (frame,) = read_coco(write(tmp_path / "a.json", coco(damage)))
    with pytest.raises(UserError, match=r"a\.json"):
        frame.things[0].mask()


# --- YouTube-VIS -----------------------------------------------------------------------------------------------------
def ytvis(names: list[Any] | None = None, **damage: Any) -> dict[str, Any]:
    """A list of one video of two frames, with a track in the second; `damage` replaces values of the track."""
    track = {"id": 1, "video_id": 9, "category_id": 3, "segmentations": [None, RLE]} | damage
    names = names or ["dog/9.png", "dog/10.png"]
    video = {"id": 9, "width": 8, "height": 6, "length": 2, "file_names": names}
    return {"videos": [video], "categories": CATEGORIES, "annotations": [track]}


def test_a_track_is_only_where_it_has_a_mask(tmp_path: Path) -> None:
    image = picture(tmp_path / "JPEGImages" / "dog" / "10.png")
    first, second = read_ytvis(write(tmp_path / "a.json", ytvis()))
    assert (first.video, first.name, first.index, first.things, first.image) == ("dog", "9", 0, (), None)
    (thing,) = second.things
    assert (thing.track, thing.label, second.image) == ("1", "dog", image)
    assert np.array_equal(thing.mask(), MASK)


@pytest.mark.parametrize(
    "damage",
    [
        *({"segmentations": [None]}, {"segmentations": None}, {"category_id": 8}, {"video_id": 8}),
        *({"names": ["../a.png", "b.png"]}, {"names": ["/a.png", "b.png"]}, {"names": ["a//b.png", "c.png"]}),
    ],
)
def test_a_damaged_list(tmp_path: Path, damage: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"a\.json"):
        read_ytvis(write(tmp_path / "a.json", ytvis(**damage)))


@pytest.mark.parametrize(
    "content", [{}, {"videos": 3}, {"videos": [{}], "categories": [], "annotations": []}, [], None]
)
def test_another_json_file(tmp_path: Path, content: Any) -> None:
    with pytest.raises(UserError, match="is not in the format of YouTube-VIS"):
        read_ytvis(write(tmp_path / "a.json", content))


@pytest.mark.parametrize("mask", [3, "x", {"size": [6, 8], "counts": "?"}, {"size": [1, 1], "counts": [1]}])
def test_a_broken_mask_of_a_track(tmp_path: Path, mask: Any) -> None:
    _, frame = read_ytvis(write(tmp_path / "a.json", ytvis(segmentations=[None, mask])))
    with pytest.raises(UserError, match=r"mask of annotation 1 in dog/10\.png of .*a\.json is broken"):
        frame.things[0].mask()
