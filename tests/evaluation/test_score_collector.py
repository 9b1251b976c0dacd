"""Collecting the scores of frames."""

from __future__ import annotations

import numpy as np
import pytest
from referring import InMemoryDataset, Oracle, shifted

from vlp_rvos.data.benchmarks.referring_dataset import ReferringVideo
from vlp_rvos.evaluation.protocols import PROTOCOLS
from vlp_rvos.evaluation.runner import evaluate_dataset


def test_the_worst_cases_are_kept() -> None:
    dataset = InMemoryDataset()
    scores = evaluate_dataset(dataset, Oracle(dataset, shifted), worst=3)
    by_score = sorted(
        (means.j_and_f, video, key)
        for video, entries in scores.videos.items()
        for key, entry in entries.items()
        if (means := entry.means)
    )
    assert [(case.video, case.expression) for case in scores.worst] == [row[1:] for row in by_score[:3]]
    case = scores.worst[0]
    video = next(video for video in dataset.videos if video.name == case.video)
    expression = next(x for x in video.expressions if x.id == case.expression)
    wrong = {}
    for frame in video.frames:
        truth = dataset.load_mask(video.name, frame, expression)
        assert truth is not None
        wrong[frame] = int((shifted(truth[None])[0] ^ truth).sum())
    assert case.frame == max(wrong, key=lambda frame: wrong[frame])
    truth = dataset.load_mask(case.video, case.frame, expression)
    assert truth is not None
    np.testing.assert_array_equal(case.mask.unpack(), shifted(truth[None]))


def test_an_object_without_expression_counts() -> None:
    dataset = InMemoryDataset(number=1, annotators=("1",))
    video = dataset.videos[0]
    dataset.videos = [ReferringVideo(video.name, video.frames, video.expressions[:2])]
    scores = evaluate_dataset(dataset, Oracle(dataset), protocol=PROTOCOLS["ref-davis17"])
    assert set(scores.videos["v0"]) == {"11", "21", "1:3"}
    assert scores.metrics["J_mean"] == pytest.approx(2 / 3)
    assert scores.metrics["N_acc"] is None
