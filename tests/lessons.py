"""Lessons that take seconds: labelled squares, and a tiny model with candidates that they are taught to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from candidate_runs import small_model, use_seeing_backbone
from coco_folder import Shape, write_coco

from vlp_rvos.models.checkpoint import save_trained
from vlp_rvos.teaching.teacher import CANDIDATES, CHOICE
from vlp_rvos.training.stage_config import CandidateStage, ChoiceStage

#: Budgets of a few steps.
SMALL_BUDGETS: tuple[CandidateStage, ChoiceStage] = (
    replace(CANDIDATES, steps=2, sizes=((64, 96),), size_weights=()),
    replace(CHOICE, steps=2, pictures=2, expressions=3),
)


def write_labels(folder: Path, pictures: int = 6) -> Path:
    """Pictures of a "red_gizmo", each with a blue car beside it; COCO layout."""
    shapes = [
        [
            Shape("red_gizmo", (10 + 4 * k, 20, 60 + 4 * k, 70), (200, 30, 30)),
            Shape("car", (100, 30, 140, 80), (30, 30, 200)),
        ]
        for k in range(pictures)
    ]
    return write_coco(folder, shapes)


def write_tiny_model(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of the tiny model, and its backbone in place of the real one."""
    use_seeing_backbone(monkeypatch)
    save_trained(path, small_model(), {"steps": 7}, inference_overrides={"presence_threshold": 0.3})
    return path
