"""JSON exports of Label Studio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError
from vlp_rvos.formats.brush_rle import encode_brush
from vlp_rvos.formats.labelled_tasks import read_label_studio

MASK = np.zeros((10, 20), bool)
MASK[2:8, 2:12] = True
BRUSH = {"type": "brushlabels", "value": {"format": "rle", "rle": encode_brush(MASK), "brushlabels": ["Dog"]}}


def export(folder: Path, region: dict[str, Any], **task: Any) -> Path:
    """An export of one task with one region; `task` replaces its values. Its image lies beside it."""
    file = folder / "export.json"
    about = {"original_width": 20, "original_height": 10, "id": "r1"}
    annotation = {"result": [about | region], "was_cancelled": False}
    entry = {"id": 5, "data": {"image": "/data/upload/3/0a1b2c3d-dog.png"}, "annotations": [annotation]} | task
    file.write_text(json.dumps([entry]))
    PillowImage.new("RGB", (20, 10)).save(folder / "dog.png")
    return file


def test_polygons(tmp_path: Path) -> None:
    value = {"points": [[10, 20], [60, 20], [60, 80], [10, 80]], "closed": True, "polygonlabels": ["Dog"]}
    (frame,) = read_label_studio(export(tmp_path, {"type": "polygonlabels", "value": value}))
    (thing,) = frame.things
    assert np.array_equal(thing.mask(), MASK)
    assert thing.texts == ("Dog",)
    assert frame.image == tmp_path / "dog.png"


def test_brushes(tmp_path: Path) -> None:
    (frame,) = read_label_studio(export(tmp_path, BRUSH))
    (thing,) = frame.things
    assert (thing.track, thing.label, frame.size) == ("r1", "Dog", (10, 20))
    assert np.array_equal(thing.mask(), MASK)


def test_the_annotation_that_was_not_cancelled_counts_before_predictions(tmp_path: Path) -> None:
    def result(label: str) -> list[dict[str, Any]]:
        region = BRUSH | {"value": {"rle": encode_brush(MASK), "brushlabels": [label]}}
        return [{"original_width": 20, "original_height": 10, "id": label} | region]

    cancelled = {"result": result("cancelled"), "was_cancelled": True}
    predictions = [{"result": result("predicted")}]
    for given, label in (([cancelled, {"result": result("kept")}], "kept"), ([cancelled], "predicted")):
        (frame,) = read_label_studio(export(tmp_path, BRUSH, annotations=given, predictions=predictions))
        assert [thing.label for thing in frame.things] == [label]


def test_a_task_without_regions_is_a_frame_without_things(tmp_path: Path) -> None:
    (frame,) = read_label_studio(export(tmp_path, BRUSH, annotations=[]))
    assert (frame.things, frame.size) == ((), None)


@pytest.mark.parametrize("kind", ["rectanglelabels", "videorectangle", "ellipselabels", "videovector"])
def test_shapes_that_are_no_masks_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UserError, match=r"task 5 of .*export.json holds an? .*, which is no mask: draw brush masks"):
        read_label_studio(export(tmp_path, {"type": kind, "value": {}}))


@pytest.mark.parametrize(
    "region",
    [
        {"type": "polygonlabels", "value": {"points": [[1, 2], ["a", 3], [4, 5]]}},
        {"type": "polygonlabels", "value": {"points": []}},
        {"type": "brushlabels", "value": {"rle": [1, 2, 3]}},
        {"type": "brushlabels", "value": {"rle": "text"}},
        {"type": "brushlabels", "value": {}},
        BRUSH | {"original_width": 19},
    ],
)
def test_a_broken_region(tmp_path: Path, region: dict[str, Any]) -> None:
    (frame,) = read_label_studio(export(tmp_path, region))
    with pytest.raises(UserError, match=r"region 'r1' of task 5 of .* is broken"):
        frame.things[0].mask()


@pytest.mark.parametrize(
    "task",
    [
        *({"annotations": 3}, {"annotations": [{"result": [{"type": "brushlabels"}]}]}, {"data": []}),
        {"data": {"image": "http://["}},
    ],
)
def test_a_malformed_task(tmp_path: Path, task: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"task 5 of .* is malformed"):
        read_label_studio(export(tmp_path, BRUSH, **task))


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"id": 1, "image": "a.png"}]', "[", ""])
def test_another_json_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=r"a\.json"):
        read_label_studio(tmp_path / "a.json")


@pytest.mark.parametrize(
    "address",
    [
        *("/data/local-files/?d=../secret.png", "/data/local-files/?d=%2e%2e/secret.png", "../secret.png"),
        *("/data/local-files/?d=%252e%252e/secret.png", "a/../../secret.png", "\0", "/", ""),
        *(f"data:image/png;base64,{'A' * 9000}", f"/{'a/' * 3000}a.png", "\ud800.png"),
    ],
)
def test_an_address_of_no_image_beside_the_export(tmp_path: Path, address: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    PillowImage.new("RGB", (20, 10)).save(tmp_path / "secret.png")
    (frame,) = read_label_studio(export(inner, BRUSH, data={"image": address}))
    assert frame.image is None


@pytest.mark.parametrize(
    "address", ["/data/local-files/?d=x/images/a%20dog.png", "https://host/images/a%20dog.png?token=1", "a dog.png"]
)
def test_addresses_of_an_image(tmp_path: Path, address: str) -> None:
    (tmp_path / "images").mkdir()
    image = tmp_path / "images" / "a dog.png"
    PillowImage.new("RGB", (20, 10)).save(image)
    (frame,) = read_label_studio(export(tmp_path, BRUSH, data={"image": address}))
    assert frame.image == image
