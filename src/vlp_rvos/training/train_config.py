"""The typed configuration of a training run, read from YAML (`docs/method.md` section 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.errors import UserError
from vlp_rvos.training.losses import LossWeights
from vlp_rvos.utils.settings import read_settings

__all__ = ["ModelChoice", "Schedule", "Stage", "TrainConfig", "load_config", "preset_configs"]


@dataclass(frozen=True)
class ModelChoice:
    """Which model is trained.

    Attributes:
        preset: name of a `ModelConfig` preset.
        overrides: `ModelConfig` field -> value, on top of the preset.
        backbone_weights: file, folder or hub id of the frozen backbone; None takes what its name stands for.
    """

    preset: str = "mini"
    overrides: dict[str, Any] = field(default_factory=dict)
    backbone_weights: str | None = None


@dataclass(frozen=True)
class Schedule:
    """The learning rate over a run, as a factor on the base rates.

    Attributes:
        kind: "step" [O] multiplies by `gamma` at each milestone; "cosine" falls to `floor`; "constant" stays.
        warmup_steps: steps of linear growth from near zero.
        milestones: progress in (0, 1) of the steps down.
        gamma: factor at each milestone.
        floor: the last factor of "cosine".
    """

    kind: Literal["step", "cosine", "constant"] = "step"
    warmup_steps: int = 0
    milestones: tuple[float, ...] = (0.6, 0.8)
    gamma: float = 0.1
    floor: float = 0.01

    def __post_init__(self) -> None:
        _check(self.warmup_steps >= 0, "warmup_steps must not be negative")
        _check(all(0 < point < 1 for point in self.milestones), "milestones must lie between 0 and 1")

    def factor(self, step: int, progress: float) -> float:
        """Factor on the learning rates.

        Args:
            step: optimizer steps taken before this one.
            progress: of the run, 0 to 1.
        """
        warmup = min(1.0, (step + 1) / (self.warmup_steps + 1))
        if self.kind == "cosine":
            return warmup * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2)
        if self.kind == "step":
            return warmup * self.gamma ** sum(progress >= point for point in self.milestones)
        return warmup


@dataclass(frozen=True)
class Stage:
    """A part of the run with its own clip size: cheap small clips first.

    Attributes:
        until: progress in (0, 1] at which the next stage takes over.
        height, width: of the network input, pixels.
        clip_length: frames T of each clip of a sample.
        batch: videos a step and process; None keeps the run's.
        clips: consecutive clips of a sample, two in the paper; one of one frame learns from still pictures first.
    """

    until: float
    height: int
    width: int
    clip_length: int
    batch: int | None = None
    clips: int = 2

    def __post_init__(self) -> None:
        _check(0 < self.until <= 1, "until must lie in (0, 1]")
        sizes = (self.height, self.width, self.clip_length, self.clips, self.batch or 1)
        _check(min(sizes) > 0, "sizes must be positive")


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        name: of the run; its folder is `runs/<name>` unless another output is asked for.
        model: what is trained.
        init_from: checkpoint (name or file) of the same model to start from, for example after pretraining.
        data: the mixture of data sets.
        steps: optimizer steps; the end of the run unless `time_limit_minutes` comes first.
        batch: videos a step and process.
        accumulate: batches whose gradients are summed up before a step.
        lr, lr_new: learning rates of the prompts and of all other layers [O].
        lr_backbone: of the backbone's layers, where the model tunes them (`ModelConfig.tune_backbone`) [D].
        weight_decay: on the matrices of linear and convolution layers [O].
        grad_clip: largest gradient norm [O].
        schedule: of the learning rate.
        loss: weights of the parts of the loss.
        history_dropout: how often the second clip is trained without the first one's history.
        ema: decay of the average of the trained parameters that is evaluated and shipped; None ships them as they are.
        precision: "bf16-mixed" computes in bfloat16 where that is safe.
        seed: of everything random.
        devices: processes (on a GPU machine: GPUs).
        workers: data loading processes for each process.
        threads: of the tensor library; None leaves its default.
        log_every, val_every, checkpoint_every: steps; None for never.
        checkpoint_minutes: also checkpoint after so much time.
        time_limit_minutes: the run (resumed parts summed) ends after so much time; the schedule and the stages then
            follow `max(step / steps, elapsed / limit)`, so that a run with a time budget still ends annealed.
        val_samples: held-out samples of each validation.
        half_weights: store `model.safetensors` in half precision.
        stages: progressive clip sizes; empty takes those of `data` throughout.
    """

    name: str = "run"
    model: ModelChoice = field(default_factory=ModelChoice)
    init_from: str | None = None
    data: MixtureConfig = field(default_factory=MixtureConfig)
    steps: int = 100_000
    batch: int = 2
    accumulate: int = 1
    lr: float = 5e-5
    lr_new: float = 1e-4
    lr_backbone: float = 1e-5
    weight_decay: float = 5e-4
    grad_clip: float = 0.1
    schedule: Schedule = field(default_factory=Schedule)
    loss: LossWeights = field(default_factory=LossWeights)
    history_dropout: float = 0.0
    ema: float | None = None
    precision: Literal["fp32", "bf16-mixed"] = "fp32"
    seed: int = 0
    devices: int = 1
    workers: int = 1
    threads: int | None = None
    log_every: int = 20
    checkpoint_every: int | None = 1000
    checkpoint_minutes: float | None = 10.0
    time_limit_minutes: float | None = None
    val_every: int | None = 1000
    val_samples: int = 64
    half_weights: bool = False
    stages: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulate", "devices", "log_every"):
            _check(getattr(self, name) > 0, f"{name} must be positive")
        for name in ("threads", "checkpoint_every", "checkpoint_minutes", "time_limit_minutes", "val_every"):
            value = getattr(self, name)
            _check(value is None or value > 0, f"{name} must be positive or null")
        _check(self.workers >= 0, "workers must not be negative")
        rates = (self.lr, self.lr_new, self.lr_backbone)
        _check(min(*rates, self.grad_clip) > 0, "lr, lr_new, lr_backbone and grad_clip must be positive")
        _check(0 <= self.history_dropout <= 1, "history_dropout must lie between 0 and 1")
        _check(self.ema is None or 0 <= self.ema < 1, "ema must lie in [0, 1) or be null")
        if self.data.portrait:
            sizes = (self.batch, *(stage.batch or 1 for stage in self.stages))
            _check(all(8 % size == 0 for size in sizes), "batch must be 1, 2, 4 or 8 where data.portrait is above 0")
        ends = [stage.until for stage in self.stages]
        _check(ends == sorted(set(ends)), "stages must be in the order of their 'until'")

    def stage(self, progress: float) -> Stage | None:
        """The stage at a progress of 0 to 1; the last one also covers what its `until` leaves open."""
        for stage in self.stages:
            if progress < stage.until:
                return stage
        return self.stages[-1] if self.stages else None


def preset_configs() -> dict[str, Path]:
    """Training configurations that the package ships: name -> file."""
    folder = Path(str(resources.files("vlp_rvos") / "training" / "recipes"))
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def load_config(source: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training configuration.

    Args:
        source: a YAML file, or the name of a shipped configuration (`preset_configs`).
        overrides: "a.b=value" each; the value is YAML.

    Raises:
        UserError: no such file, not YAML, an unknown key, a value of the wrong type or out of range.
    """
    file = source if source.is_file() else preset_configs().get(str(source))
    if file is None:
        known = ", ".join(preset_configs()) or "none"
        raise UserError(f"{source}: no such training configuration; give a YAML file or a shipped name ({known})")
    return read_settings(TrainConfig, file, overrides, defaults={"name": file.stem})


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
