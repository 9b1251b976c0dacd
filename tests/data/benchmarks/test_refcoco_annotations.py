"""The two forms of RefCOCO's annotations, when they are broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import image_miniatures as mini
import pytest

from vlp_rvos.data.benchmarks import refcoco
from vlp_rvos.errors import UserError, VLPRVOSWarning


def _change(key: str, value: Any) -> Callable[[list[dict[str, Any]]], object]:
    return lambda refs: [ref.update({key: value}) for ref in refs]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change("split", "dev"), "has no split 'train'; it has none"),
        (_change("ann_id", 5), "refers to annotation 5"),
        (_change("image_id", 5), "of image 5"),
        (_change("sentences", [{"sent_id": 1, "sent": 3}]), "expression 1 is not a text"),
        (_change("sentences", [{"sent_id": 1}]), "KeyError: 'sent'"),
        (lambda refs: refs.append("x"), "does not follow the layout"),
        (_change("split", 7), "has no split 'train'; it has none"),
        (_change("split", ["train"]), "does not follow the layout"),
    ],
)
def test_broken_refs(tmp_path: Path, change: Callable[[list[Any]], object], message: str) -> None:
    folder = mini.write_refcoco(tmp_path)
    refs = mini.refcoco_refs("refcoco")
    change(refs)
    (folder / "refcoco" / "refs(unc).p").write_bytes(mini.python2_pickle(refs))
    with pytest.raises(UserError, match=message):
        refcoco.open_split(folder, "train", "refcoco")


@pytest.mark.parametrize("form", ["original", "converted"])
def test_names_stay_in_the_folder(tmp_path: Path, form: str) -> None:
    folder = mini.write_refcoco(tmp_path, converted=form == "converted")
    for file in (folder / "refcoco").glob("*.json"):
        file.write_text(file.read_text().replace("COCO_train2014_", "../COCO_train2014_"))
    with pytest.raises(UserError, match="plain name"):
        refcoco.open_split(folder, "train", "refcoco")


@pytest.mark.parametrize(
    "segmentation",
    [
        [],
        [[]],
        [[1.0, 2.0]],
        [[0, 0, 1e9, 0, 5, 5]],
        [[0, 0, float("nan"), 0, 5, 5]],
        [[0, 0, "5", 0, 5, 5]],
        ["text"],
        {"size": [5, 5], "counts": "abc"},
        {"size": [48, 64], "counts": [100, 50]},
        {"size": [64, 48], "counts": [1000, 2072]},
        {"counts": [1]},
        {"size": [48, 64], "counts": 5},
    ],
)
def test_broken_segmentation(tmp_path: Path, segmentation: Any) -> None:
    folder = mini.write_refcoco(tmp_path)
    file = folder / "refcoco" / "instances.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        annotation["segmentation"] = segmentation
    file.write_text(json.dumps(content))
    dataset = refcoco.open_split(folder, "train", "refcoco")
    with pytest.raises(UserError, match=r"object 1000010 in COCO_train2014_000000000001\.jpg is broken"):
        dataset.load_objects(dataset.videos[0].name, "00000")


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10.5, "x", None, True, [64]])
def test_broken_sizes(tmp_path: Path, value: Any) -> None:
    folder = mini.write_refcoco(tmp_path)
    file = folder / "refcoco" / "instances.json"
    content = json.loads(file.read_text())
    for image in content["images"]:
        image["width"] = value
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"instances\.json does not follow the layout"):
        refcoco.open_split(folder, "train", "refcoco")


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = mini.write_refcoco(tmp_path)
    file = folder / "refcoco" / "instances.json"
    content = json.loads(file.read_text())
    for image in content["images"]:
        image["file_name"] = "a.jpg"
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="have the same file name"):
        refcoco.open_split(folder, "train", "refcoco")


def test_a_lost_annotation_is_no_expression_of_nothing(tmp_path: Path) -> None:
    folder = mini.write_refcoco(tmp_path, converted=True)
    file = folder / "refcoco" / "instances_refcoco_train.json"
    content = json.loads(file.read_text())
    content["annotations"].pop()
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="has no annotation, so its expression refers to nothing"):
        refcoco.open_split(folder, "train", "refcoco")


def test_objects_without_sentence_are_told(tmp_path: Path) -> None:
    folder = mini.write_refcoco(tmp_path)
    refs = mini.refcoco_refs("refcoco")
    for ref in refs:
        if ref["image_id"] == refs[0]["image_id"]:
            ref["sentences"] = []
    (folder / "refcoco" / "refs(unc).p").write_bytes(mini.python2_pickle(refs))
    with pytest.warns(VLPRVOSWarning, match=r"1 of \d images have no expressions"):
        refcoco.open_split(folder, "train", "refcoco")
