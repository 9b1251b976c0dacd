"""Runs of the trainer's later stages that take seconds: a tiny backbone beside the real detector, and tiny pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import training_runs
from coco_folder import Shape, write_coco
from stubs import TinyBackbone
from training_data import write_videos
from training_runs import CONFIG, SMALL

import vlp_rvos.models.checkpoint
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.picture_sources import OpenedSource, open_pictures
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training import choice_stage, trainer
from vlp_rvos.training.stage_config import AgreementStage, CandidateStage, ChoiceStage, RefinementStage
from vlp_rvos.training.train_config import ModelChoice, TrainConfig

PICTURES = PictureSource("described", complete=True, hold_out_share=0.3)
VIDEOS = PictureSource("videos", "videos", hold_out_share=0.0, frames=2, clips=1, stride=2, foreign=0.5)
CANDIDATES = CandidateStage(
    steps=3, batch=2, sizes=((64, 96), (96, 64)), sources=(PICTURES, VIDEOS), warmup_steps=0, val_pictures=4
)
REFINEMENT = RefinementStage(
    steps=3, batch=2, sizes=((64, 96), (96, 64)), sources=(PICTURES, VIDEOS), warmup_steps=0, val_pictures=4
)
CHOICE = ChoiceStage(
    steps=3, pictures=3, expressions=4, generated=3, clips=3, sources=(PICTURES, VIDEOS), warmup_steps=0, val_pictures=4
)
AGREEMENT = AgreementStage(steps=3, expressions=2, warmup_steps=0)


class SeeingBackbone(TinyBackbone):
    """`TinyBackbone` with what the candidate path reads."""

    def __init__(self) -> None:
        super().__init__(pools=(1, 2), named=True)


def small_config(**changes: object) -> ModelConfig:
    """The config of a tiny model with a candidate path."""
    return ModelConfig.preset("mini").replace(**{**SMALL, "candidates": 5, "refinement": True, **changes})


def small_model() -> VLPRVOS:
    """A tiny model with a candidate path and random weights, always the same ones."""
    torch.manual_seed(0)
    model = VLPRVOS(SeeingBackbone(), small_config())
    assert model.candidate_path is not None
    model.candidate_path.name_classes(model.backbone)
    return model.eval()


def use_seeing_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the backbone of the trainer."""
    training_runs.use_tiny_model_and_squares(monkeypatch)
    monkeypatch.setattr(choice_stage, "build_mixture", lambda config, split: training_runs.Squares(config))
    for module in (trainer, vlp_rvos.models.checkpoint):
        monkeypatch.setattr(module, "load_backbone", lambda name, weights=None: SeeingBackbone())


def write_pictures(root: Path) -> Path:
    """Eight pictures of two squares in `described`, six of which are described, and two videos in `videos`."""
    shapes = [
        [
            Shape("car", (10 + 4 * k, 20, 50 + 4 * k, 60), (200, 30, 30)),
            Shape("car", (100, 30, 140, 80), (30, 30, 200)),
        ]
        for k in range(8)
    ]
    write_coco(root / "described", shapes)
    said = {
        f"picture{k}.png": {
            "objects": {str(2 * k - 1): ["the red car", "the car on the left"], str(2 * k): ["the blue car"]},
            "groups": [[[2 * k - 1, 2 * k], "both cars"]],
            "absent": ["the bus", "the green car"],
        }
        for k in range(1, 7)
    }
    (root / "described" / "expressions.json").write_text(json.dumps({"images": said}))
    write_videos(root / "videos")
    (root / "videos" / "absent_expressions.json").write_text(json.dumps({"videos": {"duck": ["the swan"]}}))
    return root


def opened(root: Path, *sources: PictureSource, **data: object) -> tuple[OpenedSource, ...]:
    """The data sets in a folder, as the later stages open them."""
    return open_pictures(sources, replace(MixtureConfig(root=str(root)), **data))  # type: ignore[arg-type]


def staged_config(root: Path) -> TrainConfig:
    """A run of two steps of the dense head and three of each later stage."""
    return replace(
        CONFIG,
        model=ModelChoice("mini", {**SMALL, "candidates": 5, "refinement": True}),
        data=replace(CONFIG.data, root=str(root), hold_out=(), height=32, width=64),
        steps=2,
        candidates=CANDIDATES,
        refinement=REFINEMENT,
        choice=CHOICE,
        agreement=AGREEMENT,
    )
