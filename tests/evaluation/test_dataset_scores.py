"""Means over a data set, and the metrics of a protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import image_miniatures as images
import numpy as np
import pytest
from referring import InMemoryDataset, Oracle, shifted

from vlp_rvos.data.benchmarks import open_benchmark
from vlp_rvos.evaluation.davis import boundary_measure, region_similarity, statistics
from vlp_rvos.evaluation.protocols import PROTOCOLS
from vlp_rvos.evaluation.runner import evaluate_dataset


def test_scores_of_expressions() -> None:
    dataset = InMemoryDataset()
    scores = evaluate_dataset(dataset, Oracle(dataset, shifted))
    report = scores.to_json("d", "m")
    for video in dataset.videos:
        for expression in video.expressions[:5]:
            truths = [dataset.load_mask(video.name, frame, expression) for frame in video.frames]
            pairs = [(shifted(truth[None])[0], truth) for truth in truths if truth is not None]
            found = report["videos"][video.name][expression.id]
            assert found["J"] == [region_similarity(*pair) for pair in pairs]
            assert found["F"] == [boundary_measure(*pair) for pair in pairs]
            for measure in "JF":
                expected = statistics(found[measure])._asdict()
                assert {key: found[f"{measure}_{key}"] for key in expected} == expected
        assert report["videos"][video.name]["unknown"]["J_mean"] is None
    every = [e for video in report["videos"].values() for e in video.values() if e["J"]]
    for key in ("J_mean", "J_recall", "J_decay", "F_mean", "F_recall", "F_decay", "J&F"):
        assert scores.metrics[key] == report[key] == pytest.approx(np.mean([e[key] for e in every]))
    assert (report["N_acc"], report["T_acc"]) == (1, 1)
    assert {kind: entry["n"] for kind, entry in report["kinds"].items()} == {
        "one object": 6,
        "several objects": 2,
        "no target": 2,
    }


def test_every_metric_is_json(tmp_path: Path) -> None:
    dataset = open_benchmark("refcoco", images.write_refcoco(tmp_path), "val")
    metrics: dict[str, Any] = evaluate_dataset(dataset, Oracle(dataset), protocol=PROTOCOLS["refcoco"]).metrics
    assert list(metrics) == ["P@0.5", "P@0.6", "P@0.7", "P@0.8", "P@0.9", "overall_iou", "mean_iou"]
    assert all(type(value) is float for value in metrics.values())
