"""Runs of the trainer that take a second: a tiny model and synthetic data in place of the real ones."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from stubs import TinyBackbone
from torch import Tensor

import vlp_rvos.models.checkpoint
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.models.backbones import Backbone
from vlp_rvos.training import batches, trainer
from vlp_rvos.training.train_config import ModelChoice, TrainConfig
from vlp_rvos.training.trainer import Trainer

SMALL: dict[str, Any] = {
    "width": 32,
    "input_size": 64,
    "patch_pool": 1,
    "language_prompts": 2,
    "vision_prompts": 2,
    "temporal_prompts": 1,
    "prompt_width": 16,
    "prompt_layers": 1,
    "prompt_heads": 2,
    "shallow_layers": [1],
    "str_blocks": 1,
    "str_heads": 2,
    "mlp_ratio": 2.0,
    "head_width": 16,
}
CONFIG = TrainConfig(
    name="test",
    model=ModelChoice("mini", SMALL),
    data=replace(MixtureConfig(), height=32, width=48, clip_length=2),
    steps=6,
    batch=2,
    lr=1e-3,
    lr_new=1e-3,
    workers=0,
    log_every=2,
    checkpoint_minutes=None,
    checkpoint_every=None,
    val_every=None,
    val_samples=2,
    ema=0.9,
    history_dropout=0.5,
)


class Squares:
    """A bright square that moves right over noise; the second video of each pair has an absent target too."""

    requested: list[int]

    def __init__(self, config: MixtureConfig) -> None:
        self.config, self.requested = config, []

    def sample(self, index: int) -> Sample:
        self.requested.append(index)
        length, height, width = self.config.frames, self.config.height, self.config.width
        noise = torch.Generator().manual_seed(index)
        frames = torch.randint(0, 100, (length, 3, height, width), dtype=torch.uint8, generator=noise)
        masks = torch.zeros(1 + index % 2, length, height, width, dtype=torch.bool)
        for t in range(length):
            masks[0, t, 8:24, 4 + 2 * t : 20 + 2 * t] = True
        frames = torch.where(masks[0, :, None], 255, frames).to(torch.uint8)
        names = ["the white square", "the red circle"][: len(masks)]
        return Sample(frames=frames, expressions=names, masks=masks, kinds=["there", "absent"][: len(masks)])


def use_backbone(monkeypatch: pytest.MonkeyPatch, make: Callable[[], Backbone]) -> None:
    """Replace the backbone of the trainer and of checkpoints, whatever its name and weights."""

    def backbone(name: str, weights: object = None) -> Backbone:
        return make()

    monkeypatch.setattr(trainer, "load_backbone", backbone)
    monkeypatch.setattr(vlp_rvos.models.checkpoint, "load_backbone", backbone)


def use_tiny_model_and_squares(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Squares]]:
    """Replace the backbone and the data of the trainer; returns the mixtures that are built from now on, by split."""
    built: dict[str, list[Squares]] = {"train": [], "holdout": []}

    def build(config: MixtureConfig, split: str) -> Squares:
        built[split].append(Squares(config))
        return built[split][-1]

    use_backbone(monkeypatch, TinyBackbone)
    monkeypatch.setattr(trainer, "build_mixture", build)
    monkeypatch.setattr(batches, "build_mixture", build)
    return built


def stop_after(one: Trainer, steps: int) -> None:
    """Have a trainer receive the signal of a kill during its `steps`-th step of this part."""
    step, count = one._step, 0

    def counted(*args: Any) -> None:
        nonlocal count
        step(*args)
        count += 1
        if count == steps:
            os.kill(os.getpid(), signal.SIGTERM)

    one._step = counted  # type: ignore[method-assign]


def same(one: Path, other: Path) -> bool:
    """Whether the models of two runs have equal weights; they must have the same names."""
    weights: list[dict[str, Tensor]] = [load_file(folder / "model.safetensors") for folder in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    return all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def records(folder: Path, event: str) -> list[dict[str, float]]:
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == event]


def trained(one: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in one.model.trained_state_dict().items()}
