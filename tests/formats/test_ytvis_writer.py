"""JSON of YouTube-VIS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from written_formats import BARE, RESULTS, files_in, json_of, written

from vlp_rvos.formats.ytvis_writer import YtvisWriter
from vlp_rvos.media.rle import decode_mask


def test_a_track_has_a_mask_or_null_for_every_frame(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", YtvisWriter)
    content = json_of(folder / "instances.json")
    names = [f"dog/0000{i}.jpg" for i in range(3)]
    assert content["videos"] == [{"id": 1, "width": 64, "height": 48, "length": 3, "file_names": names}]
    assert files_in(folder) == {"instances.json", *(f"JPEGImages/{name}" for name in names)}
    for i, track in enumerate(content["annotations"]):
        assert [mask is None for mask in track["segmentations"]] == [False, True, False]
        assert track["bboxes"][1] is track["areas"][1] is None
        for k in (0, 2):
            assert np.array_equal(decode_mask(track["segmentations"][k]), RESULTS[k].masks[i])
            assert track["areas"][k] == RESULTS[k].masks[i].sum()


def test_the_score_is_the_mean_over_the_frames_with_a_mask(tmp_path: Path) -> None:
    results = [*BARE[:2], replace(BARE[2], scores=np.array([0.5, 0.0], np.float32))]
    content = json_of(written(tmp_path / "a", YtvisWriter, results) / "instances.json")
    assert [track["score"] for track in content["annotations"]] == pytest.approx([0.7, 0.2], abs=1e-5)


def test_a_track_without_any_mask_is_kept(tmp_path: Path) -> None:
    content = json_of(written(tmp_path / "a", YtvisWriter, [BARE[1]]) / "instances.json")
    assert [(track["segmentations"], track["score"]) for track in content["annotations"]] == [([None], 0)] * 2


def test_equal_expressions_share_a_category(tmp_path: Path) -> None:
    results = [replace(one, expressions=("dog", "dog ")) for one in BARE]
    content = json_of(written(tmp_path / "a", YtvisWriter, results) / "instances.json")
    assert [one["name"] for one in content["categories"]] == ["dog"]
    assert [(one["id"], one["category_id"]) for one in content["annotations"]] == [(1, 1), (2, 1)]
