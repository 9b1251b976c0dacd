"""Scoring one mask for each expression."""

from __future__ import annotations

from pathlib import Path

import image_miniatures as images
import numpy as np
import pytest
from referring import InMemoryDataset, Oracle

from vlp_rvos.data.benchmarks import open_benchmark
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.protocols import PROTOCOLS, Measure, Protocol
from vlp_rvos.evaluation.runner import evaluate_dataset


def test_only_frames_with_an_annotation_of_the_instance_are_scored(tmp_path: Path) -> None:
    dataset = open_benchmark("a2d-sentences", images.write_a2d(tmp_path), "test")
    scores = evaluate_dataset(dataset, Oracle(dataset), protocol=PROTOCOLS["a2d-sentences"])
    annotated = images.A2D_VIDEOS["testVideo-2"][2]
    expected = {
        (video.name, x.id, f"{frame:05}")
        for video in dataset.videos
        for x in video.expressions
        for frame, there in annotated.items()
        if set(x.object_ids or ()) & set(there)
    }
    assert set(scores.coco_entries) == expected
    assert scores.frames == 10


def test_masks_of_almost_the_right_size_are_resized_if_the_protocol_says_so() -> None:
    dataset = InMemoryDataset(number=1)

    def larger(masks: np.ndarray) -> np.ndarray:
        return np.pad(masks, ((0, 0), (0, 1), (0, 0)))

    scores = evaluate_dataset(dataset, Oracle(dataset, larger), protocol=Protocol("", Measure.precision, resize=True))
    assert scores.metrics["mean_iou"] == pytest.approx(0.9, abs=0.1)
    with pytest.raises(UserError, match="the predicted mask is 32x25, but the annotation 32x24"):
        evaluate_dataset(dataset, Oracle(dataset, larger))
