"""The two forms of RefCOCO's annotations, when they are broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import image_miniatures as mini
import pytest

from vlp_rvos.data.benchmarks import refcoco
from vlp_rvos.errors import UserError


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
    [[], [[1.0, 2.0]], {"size": [5, 5], "counts": "abc"}, {"counts": [1]}, {"size": [48, 64], "counts": 5}],
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
