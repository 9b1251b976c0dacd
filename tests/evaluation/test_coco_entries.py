"""Masks as entries of COCO-format files."""

from __future__ import annotations

import numpy as np

from vlp_rvos.evaluation.coco_entries import coco_predictions, coco_truth, make_coco_entry
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
