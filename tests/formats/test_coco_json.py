"""The JSON of COCO: images, categories and masks."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from written_formats import BARE, HEADER

from vlp_rvos.formats.coco_json import CocoJson
from vlp_rvos.media.rle import decode_mask


def content_of(folder: Path, expressions: tuple[str, ...] = HEADER.expressions, first_number: int = 0) -> Any:
    coco = CocoJson(folder, replace(HEADER, expressions=expressions, first_number=first_number))
    for one in BARE:
        coco.add(replace(one, expressions=expressions), f"{one.name}.jpg")
    file = io.StringIO()
    coco.write_into(file)
    return json.loads(file.getvalue())


def test_overlapping_masks_are_kept_whole(tmp_path: Path) -> None:
    content = content_of(tmp_path)
    assert [one["id"] for one in content["annotations"]] == [1, 2, 3, 4]
    for one in content["annotations"]:
        mask = BARE[one["image_id"] - 1].masks[one["attributes"]["track_id"] - 1]
        assert np.array_equal(decode_mask(one["segmentation"]), mask)
        assert one["area"] == mask.sum()
        assert one["iscrowd"] == 0
    assert content["annotations"][0]["bbox"] == [16, 24, 16, 24]


def test_a_frame_without_masks_is_an_image_without_annotations(tmp_path: Path) -> None:
    content = content_of(tmp_path)
    assert [one["file_name"] for one in content["images"]] == ["00000.jpg", "00001.jpg", "00002.jpg"]
    assert {one["image_id"] for one in content["annotations"]} == {1, 3}


def test_frames_are_counted_in_the_whole_video(tmp_path: Path) -> None:
    assert [one["frame_index"] for one in content_of(tmp_path, first_number=7)["images"]] == [7, 8, 9]


def test_equal_expressions_share_a_category_but_no_track(tmp_path: Path) -> None:
    content = content_of(tmp_path, ("a dog", "a \n dog"))
    assert [(one["id"], one["name"]) for one in content["categories"]] == [(1, "a dog")]
    assert [one["attributes"]["track_id"] for one in content["annotations"]] == [1, 2, 1, 2]
    assert {one["category_id"] for one in content["annotations"]} == {1}


def test_the_temporary_files_are_gone(tmp_path: Path) -> None:
    content_of(tmp_path)
    assert list(tmp_path.iterdir()) == []
