"""The reader of COCO folders: what it reads, and what it says of files that it cannot read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_folder import Shape, write_coco
from PIL import Image

from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.errors import UserError

SHAPES = [Shape("dog", (10, 20, 50, 60), (200, 30, 30)), Shape("car", (40, 30, 120, 80), (30, 30, 200))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "coco", [SHAPES, []])


def change(folder: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    file = folder / "instances.json"
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))
    return folder


def test_reads_images_and_masks(folder: Path) -> None:
    coco = CocoFolder(folder)
    assert [image.file_name for image in coco.images] == ["picture1.png", "picture2.png"]
    assert coco.categories == {"car": "coco", "dog": "coco"}
    dog, car = coco.annotations_of(coco.images[0])
    assert (dog.category, dog.supercategory, dog.box, dog.crowd) == ("dog", "coco", (10, 20, 40, 40), False)
    assert coco.annotations_of(coco.images[1]) == []
    pixels = coco.load_image(coco.images[0])
    assert (pixels[coco.mask(dog)] == (200, 30, 30)).all()
    assert (pixels[coco.mask(car)] == (30, 30, 200)).all()
    assert coco.mask(dog).sum() == dog.area == 40 * 40 - 10 * 30


def test_ids_and_boxes_may_be_text(folder: Path) -> None:
    def as_text(content: dict[str, Any]) -> None:
        for annotation in content["annotations"]:
            annotation.update(
                id=str(annotation["id"]),
                image_id=str(annotation["image_id"]),
                category_id=str(annotation["category_id"]),
                bbox=[str(value) for value in annotation["bbox"]],
            )

    before = CocoFolder(folder)
    expected = [(a.id, a.category, a.box) for a in before.annotations_of(before.images[0])]
    after = CocoFolder(change(folder, as_text))
    assert [(a.id, a.category, a.box) for a in after.annotations_of(after.images[0])] == expected


@pytest.mark.parametrize(
    "segmentation",
    [
        [[10, 20, 50, 20, 50, 60, 10, 60]],
        {"size": [90, 160], "counts": [10 * 90 + 20, *([40, 50] * 39), 40, 90 * 160 - 49 * 90 - 60]},
    ],
    ids=["polygon", "uncompressed runs"],
)
def test_other_forms_of_masks(folder: Path, segmentation: Any) -> None:
    coco = CocoFolder(change(folder, lambda content: content["annotations"][0].update(segmentation=segmentation)))
    mask = coco.mask(coco.annotations_of(coco.images[0])[0])
    expected = np.zeros((90, 160), dtype=bool)
    expected[20:60, 10:50] = True
    assert (mask == expected).all()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.pop("categories"), "KeyError: 'categories'"),
        (lambda c: c["annotations"][0].update(image_id=99), "names the image 99"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2]), "not in the COCO format"),
        (lambda c: c["annotations"][0].update(category_id=77), "not in the COCO format"),
        (lambda c: c.update(images=5), "not in the COCO format"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, float("nan"), 3]), "nan is not a number"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3, 10**400]), "is not a number"),
        (lambda c: c["annotations"][0].update(area=float("inf")), "inf is not a number"),
        (lambda c: c["annotations"][0].update(iscrowd=float("inf")), "not in the COCO format"),
        (lambda c: c["images"][0].update(width=float("inf")), "inf is not a whole number"),
        (lambda c: c["images"][0].update(width=160.5), "160.5 is not a whole number"),
        (lambda c: c["images"][0].update(width=0), "0 is no width or height"),
        (lambda c: c["images"].append(c["images"][0]), "two images have the same id"),
        (lambda c: c["categories"].append(c["categories"][0]), "two categories have the id 1"),
        (lambda c: c["images"][0].update(file_name="../../etc/passwd"), "plain name"),
        (lambda c: c["images"][0].update(file_name="/etc/passwd"), "plain name"),
        (lambda c: c["images"][0].update(file_name="a\0b"), "plain name"),
    ],
)
def test_broken_lists_get_one_line(folder: Path, edit: Callable[[dict[str, Any]], None], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        CocoFolder(change(folder, edit))
    assert "instances.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_unreadable_files(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give a folder that holds"):
        CocoFolder(tmp_path / "nowhere")
    coco = CocoFolder(folder)
    (folder / "images" / "picture1.png").write_bytes(b"no image")
    (folder / "images" / "picture2.png").unlink()
    for image in coco.images:
        with pytest.raises(UserError, match=image.file_name):
            coco.load_image(image)
    (folder / "instances.json").write_text("{")
    with pytest.raises(UserError, match=r"cannot read .*instances\.json"):
        CocoFolder(folder)


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [10, 10], "counts": "d3"},
        {"size": [90, 160]},
        "text",
        {"size": "ab", "counts": "d3"},
        {"size": [90, 160], "counts": [100, 50]},
        {"size": [90, 160], "counts": [7200.5, 7199.5]},
        {"size": [160, 90], "counts": [7200, 7200]},
        [],
        [[]],
        [[1, 2, 3]],
        [[0, 0, 1e9, 0, 5, 5]],
        [[0, 0, float("nan"), 0, 5, 5]],
    ],
)
def test_broken_masks_get_one_line(folder: Path, segmentation: Any) -> None:
    coco = CocoFolder(change(folder, lambda content: content["annotations"][0].update(segmentation=segmentation)))
    with pytest.raises(UserError, match="annotation 1 "):
        coco.mask(coco.annotations_of(coco.images[0])[0])


def test_files_in_folders(folder: Path) -> None:
    (folder / "images" / "a").mkdir()
    (folder / "images" / "picture1.png").rename(folder / "images" / "a" / "b.png")
    coco = CocoFolder(change(folder, lambda content: content["images"][0].update(file_name="a/b.png")))
    assert coco.load_image(coco.images[0]).shape == (90, 160, 3)


def test_deep_pictures(folder: Path) -> None:
    coco = CocoFolder(folder)
    Image.fromarray(np.full((90, 160), 40000, np.uint16)).save(folder / "images" / "picture1.png")
    assert (coco.load_image(coco.images[0]) == 40000 >> 8).all()


def test_an_image_of_another_size(folder: Path) -> None:
    coco = CocoFolder(change(folder, lambda content: content["images"][0].update(width=80)))
    with pytest.raises(UserError, match=r"160x90, but .* says 80x90"):
        coco.load_image(coco.images[0])
