"""JSON of Datumaro."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from written_formats import BARE, RESULTS, files_in, json_of, written

from vlp_rvos.formats.datumaro_writer import DatumaroWriter
from vlp_rvos.media.rle import decode_mask


def test_masks_and_frames(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", DatumaroWriter)
    assert files_in(folder) == {"annotations/default.json", *(f"images/default/0000{i}.jpg" for i in range(3))}
    items = json_of(folder / "annotations" / "default.json")["items"]
    assert [item["id"] for item in items] == ["00000", "00001", "00002"]
    assert [[one["id"] for one in item["annotations"]] for item in items] == [[0, 1], [], [2, 3]]
    for item, result in zip(items, RESULTS, strict=True):
        assert item["image"]["size"] == [48, 64]
        for one in item["annotations"]:
            assert np.array_equal(decode_mask(one["rle"]), result.masks[one["group"] - 1])


def test_labels_are_numbered_from_0(tmp_path: Path) -> None:
    results = [replace(one, expressions=("dog", " dog")) for one in BARE]
    content = json_of(written(tmp_path / "a", DatumaroWriter, results) / "annotations" / "default.json")
    assert [label["name"] for label in content["categories"]["label"]["labels"]] == ["dog"]
    found = [(one["label_id"], one["attributes"]["track_id"]) for one in content["items"][0]["annotations"]]
    assert found == [(0, 1), (0, 2)]
