"""Masks as one JSON file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from frame_results import EXPRESSIONS, INFO, PLACES, result, result_at
from pycocotools import mask as coco_mask

from vlp_rvos.errors import UserError
from vlp_rvos.media.masks_json import MasksJsonWriter
from vlp_rvos.media.masks_reader import read_masks


def test_masks_json(tmp_path: Path) -> None:
    results = [result(0), result(1, (0.2, 0.7))]
    with MasksJsonWriter(tmp_path / "masks.json", INFO, EXPRESSIONS, "mini", "1.2") as writer:
        for one in results:
            writer.write(one)
    read = json.loads((tmp_path / "masks.json").read_text())
    assert list(read) == ["video", "model", "expressions", "frames", "truncated"]
    assert read["video"] == {"name": "dog.mp4", "width": 64, "height": 48, "fps": 10.0}
    assert read["model"] == {"name": "mini", "version": "1.2"}
    assert read["expressions"] == list(EXPRESSIONS)
    assert read["truncated"] is None
    assert [(x["index"], x["time"], x["name"]) for x in read["frames"]] == [(0, 0, "00000"), (1, 0.1, "00001")]
    for one, frame in zip(results, read["frames"], strict=True):
        assert [x["id"] for x in frame["objects"]] == [1, 2]
        assert [x["expression"] for x in frame["objects"]] == list(EXPRESSIONS)
        assert [x["score"] for x in frame["objects"]] == pytest.approx(one.scores)
        assert [x["presence"] for x in frame["objects"]] == pytest.approx(one.presences)
        for mask, entry in zip(one.masks, frame["objects"], strict=True):
            assert np.array_equal(coco_mask.decode(entry["segmentation"]), mask)


@pytest.mark.parametrize("number", [0, 1])
def test_masks_json_is_valid_after_a_break(tmp_path: Path, number: int) -> None:
    with MasksJsonWriter(tmp_path / "masks.json", INFO, ['say "cheese"', "狗"], "mini", "1") as writer:
        for i in range(number):
            writer.write(result(i))
        writer.truncated = "stopped at frame 1"
    read = json.loads((tmp_path / "masks.json").read_text(encoding="utf-8"))
    assert read["truncated"] == "stopped at frame 1"
    assert read["expressions"] == ['say "cheese"', "狗"]
    assert len(read["frames"]) == number


@pytest.mark.parametrize("place", PLACES)
def test_encoding_the_box_of_the_masks_is_encoding_the_frame(place: tuple[int, int] | None, tmp_path: Path) -> None:
    one = result_at(place)
    with MasksJsonWriter(tmp_path / "masks.json", INFO, EXPRESSIONS, "mini", "1") as writer:
        writer.write(one)
    objects = json.loads((tmp_path / "masks.json").read_text())["frames"][0]["objects"]
    for mask, entry in zip(one.masks, objects, strict=True):
        assert entry["segmentation"]["counts"] == coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()


def test_what_was_found_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "masks.json"
    found = [{"expression": "the dog", "found": True, "spans": [[0.0, 0.1]]}]
    with MasksJsonWriter(path, INFO, EXPRESSIONS, "mini", "1") as writer:
        writer.write(result(0))
        writer.found = found
    read = read_masks(path)
    assert (read.found, read.truncated, len(list(read))) == (found, None, 1)
    path.write_text(path.read_text().replace('"found": [{"expression"', '"found": [3, {"expression"'))
    with pytest.raises(UserError, match="what was found is not a list of objects"):
        read_masks(path).found  # noqa: B018
    with MasksJsonWriter(path, INFO, EXPRESSIONS, "mini", "1"):
        pass
    assert read_masks(path).found is None
