"""Masks as entries of COCO-format files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.coco_entries import (
    check_coco_files,
    coco_predictions,
    coco_truth,
    make_coco_entry,
    write_coco_files,
)
from vlp_rvos.evaluation.coco_metrics import evaluate_rle


def test_each_pair_of_masks_is_an_image() -> None:
    masks = np.zeros((3, 4, 6), bool)
    masks[0, :2], masks[1, :2, :3], masks[2, 2:] = True, True, True
    entries = {
        ("v", "0", "00001"): make_coco_entry(masks[0], masks[1], 0.9),
        ("v", "1", "00001"): make_coco_entry(masks[2], masks[2], 0.4),
    }
    truth, predictions = coco_truth(entries), coco_predictions(entries)
    assert truth["images"][1] == {
        "id": 2,
        "height": 4,
        "width": 6,
        "video": "v",
        "expression_id": "1",
        "frame": "00001",
    }
    assert [annotation["image_id"] for annotation in truth["annotations"]] == [1, 2]
    assert [(result["image_id"], result["score"]) for result in predictions] == [(1, 0.9), (2, 0.4)]
    assert evaluate_rle(truth, predictions)["overall_iou"] == (6 + 12) / (12 + 12)


def test_files_are_replaced_unless_they_were_changed(tmp_path: Path) -> None:
    entries = {("v", "0", "1"): make_coco_entry(np.ones((2, 2), bool), np.ones((2, 2), bool), 0.5)}
    for _ in range(2):
        check_coco_files(tmp_path)
        write_coco_files(entries, tmp_path)
    truth, predictions = tmp_path / "ground_truth.json", tmp_path / "predictions.json"
    assert sorted(tmp_path.iterdir()) == [truth, predictions]
    # Masks of another model, to be scored by `evaluate rle`.
    predictions.write_text("[]")
    with pytest.raises(UserError, match=r"predictions\.json exists, and vlp-rvos did not write it"):
        check_coco_files(tmp_path)
    predictions.unlink()
    truth.write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(UserError, match=r"ground_truth\.json exists"):
        check_coco_files(tmp_path)
