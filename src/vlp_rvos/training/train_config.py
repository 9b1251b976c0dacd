"""The configuration of a training run, read from YAML (`docs/method.md` section 5).

Marks: [O] from the authors' release, [D] decided by this project.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from vlp_rvos.data.mixture_config import MAX_FRAMES, MAX_SIDE, MIN_SIDE, MixtureConfig, check_pixels
from vlp_rvos.errors import UserError
from vlp_rvos.training.losses import LossWeights
from vlp_rvos.training.stage_config import AgreementStage, CandidateStage, ChoiceStage, RefinementStage
from vlp_rvos.utils.ranges import ANY_COUNT, MAX_SEED, SHARE, Range, check_ranges
from vlp_rvos.utils.settings import read_settings
from vlp_rvos.utils.special_files import refuse_special_file

__all__ = ["Forks", "ModelChoice", "Schedule", "Stage", "TrainConfig", "load_config", "shipped_recipes"]

MAX_BATCH = 4096
RATE = Range(0, 100, above_low=True)
MINUTES = Range(0, 10**7, above_low=True)


@dataclass(frozen=True)
class ModelChoice:
    """The model that is trained.

    Attributes:
        preset: name of a `ModelConfig` preset; the backbone has the same name.
        overrides: `ModelConfig` field -> value, for fields that differ from the preset.
        backbone_weights: file, folder or hub id of the frozen backbone's weights; None for the backbone's usual ones.
    """

    preset: str = "mini"
    overrides: dict[str, Any] = field(default_factory=dict)
    backbone_weights: str | None = None


@dataclass(frozen=True)
class Schedule:
    """The learning rate over a run, as a factor on the configured rates.

    Attributes:
        kind: shape of the schedule: "step" [O] multiplies by `gamma` at each milestone, "cosine" falls to `floor`,
            "constant" stays at 1.
        warmup_steps: number of first steps over which the factor grows linearly from near 0.
        milestones: shares of the run, between 0 and 1, after which "step" lowers the rate.
        gamma: factor that "step" applies at each milestone.
        floor: factor that "cosine" reaches at the end of the run.
    """

    kind: Literal["step", "cosine", "constant"] = "step"
    warmup_steps: Annotated[int, Range(0, 10**9)] = 0
    milestones: tuple[Annotated[float, Range(0, 1, above_low=True, below_high=True)], ...] = (0.6, 0.8)
    gamma: Annotated[float, SHARE] = 0.1
    floor: Annotated[float, SHARE] = 0.01

    def __post_init__(self) -> None:
        check_ranges(self)

    def factor(self, step: int, progress: float) -> float:
        """Factor on the learning rates.

        Args:
            step: number of optimizer steps before this one.
            progress: how much of the run is done, 0 to 1.
        """
        warmup = min(1.0, (step + 1) / (self.warmup_steps + 1))
        if self.kind == "cosine":
            return warmup * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2)
        if self.kind == "step":
            return warmup * self.gamma ** sum(progress >= point for point in self.milestones)
        return warmup


@dataclass(frozen=True)
class Stage:
    """A phase of the run with its own clip size, so that training can begin with small, cheap clips.

    Attributes:
        until: share of the run, in (0, 1], at which the stage ends and the next one begins.
        height: height of the network input in pixels.
        width: width of the network input in pixels.
        clip_length: number of frames T of each clip.
        batch: number of videos per step and process; None for the run's.
        clips: number of consecutive clips of a sample; two in the paper. One clip of one frame trains on single images.
    """

    until: Annotated[float, Range(0, 1, above_low=True)]
    height: Annotated[int, Range(MIN_SIDE, MAX_SIDE)]
    width: Annotated[int, Range(MIN_SIDE, MAX_SIDE)]
    clip_length: Annotated[int, Range(1, MAX_FRAMES)]
    batch: Annotated[int, Range(1, MAX_BATCH)] | None = None
    clips: Annotated[int, Range(1, MAX_FRAMES)] = 2

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Forks:
    """How the training of the dense head forks, so that what it has learned by heart does not mislead the choice.

    Up to `begin` nothing is learned from what is divided into folds: the described pictures, and the videos of sources
    that are `folded`. From there on the training goes on once for each fold, without this fold. The model keeps the
    mean of all forks; the choice learns of each picture from the fork that has not seen it.

    Attributes:
        count: number of folds, and of forks.
        begin: where the forks begin, as a share of the schedule.
        start_share: share of what the forks began with in the mean, for a model that was trained before.
    """

    count: Annotated[int, Range(2, 16)] = 2
    begin: Annotated[float, Range(0, 1, below_high=True)] = 0.5
    start_share: Annotated[float, SHARE] = 0.0

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        name: name of the run; its folder is `runs/<name>` unless another one is given.
        model: the model that is trained.
        init_from: name or file of a checkpoint of the same model to start from, for example after pretraining; None for
            random weights. What it sets for inference alone (`presence_threshold`, `min_part` and the like) is taken
            over, unless `model.overrides` names it.
        data: the data sets and how samples are drawn from them.
        steps: number of optimizer steps after which the run ends, unless `time_limit_minutes` ends it earlier. 0 takes
            the model of `init_from` as it is, for the stages that follow.
        batch: number of videos per step and process.
        accumulate: number of batches whose gradients are added up for one step.
        lr: learning rate of the prompts [O].
        lr_new: learning rate of all other layers [O].
        lr_backbone: learning rate of the backbone's layers, where the model trains them (`ModelConfig.tune_backbone`)
            [D].
        weight_decay: weight decay of the matrices of linear and convolution layers [O].
        grad_clip: largest norm of the gradient; a larger one is scaled down to it [O].
        schedule: learning rate over the run.
        loss: weights of the terms of the loss.
        history_dropout: probability that a clip is trained without the history of the one before.
        ema: decay of the exponential moving average of the trained weights, which is then validated and shipped; None
            ships the weights of the last step.
        precision: number format; "bf16-mixed" computes in bfloat16 where that is safe.
        seed: seed of everything random.
        devices: number of processes, on a GPU machine the number of GPUs. `torchrun` decides it where it starts them.
        distributed: what several processes share out: "ddp" nothing but the videos, so that each holds everything;
            "fsdp" the parameters, their averages and the state of the optimizer too, which needs less memory.
        workers: number of data loading processes for each process.
        threads: number of CPU threads that PyTorch uses; None for its default.
        log_every: number of steps between two log entries.
        checkpoint_every: number of steps between two checkpoints; None for none by steps.
        checkpoint_minutes: minutes between two checkpoints; None for none by time.
        time_limit_minutes: minutes of training, over all parts of an interrupted run, after which the run ends; None
            for no limit. Schedule and stages then follow `max(step / steps, elapsed / limit)`, so that a run with a
            time budget still reaches the end of its schedule.
        val_every: number of steps between two validations; None for one at the end only.
        val_samples: number of held-out samples of a validation; 0 for none.
        half_weights: whether `model.safetensors` is stored in half precision.
        stages: phases of the run with clip sizes of their own; empty for the size of `data` throughout.
        forks: how the training of everything but the candidate path forks; None if it does not. [D]
        candidates: stage that trains the proposals of the candidate path, after everything above has trained the model
            without that path; None leaves them as `init_from` has them. This and the next three need a model with
            `ModelConfig.candidates`. [D]
        refinement: stage that trains what redraws masks; None leaves it as `init_from` has it. It needs a model with
            `ModelConfig.refinement`. [D]
        choice: stage that trains the choice among candidates; None leaves it as `init_from` has it. [D]
        agreement: stage that fits how candidates and dense head are joined, and calibrates presence; it needs `choice`.
            [D]
    """

    name: str = "run"
    model: ModelChoice = field(default_factory=ModelChoice)
    init_from: str | None = None
    data: MixtureConfig = field(default_factory=MixtureConfig)
    steps: Annotated[int, Range(0, 10**9)] = 100_000
    batch: Annotated[int, Range(1, MAX_BATCH)] = 2
    accumulate: Annotated[int, Range(1, 10**4)] = 1
    lr: Annotated[float, RATE] = 5e-5
    lr_new: Annotated[float, RATE] = 1e-4
    lr_backbone: Annotated[float, RATE] = 1e-5
    weight_decay: Annotated[float, Range(0, 100)] = 5e-4
    grad_clip: Annotated[float, Range(0, 10**6, above_low=True)] = 0.1
    schedule: Schedule = field(default_factory=Schedule)
    loss: LossWeights = field(default_factory=LossWeights)
    history_dropout: Annotated[float, SHARE] = 0.0
    ema: Annotated[float, Range(0, 1, below_high=True)] | None = None
    precision: Literal["fp32", "bf16-mixed"] = "fp32"
    seed: Annotated[int, Range(0, MAX_SEED)] = 0
    devices: Annotated[int, Range(1, 1024)] = 1
    distributed: Literal["ddp", "fsdp"] = "ddp"
    workers: Annotated[int, Range(0, 256)] = 1
    threads: Annotated[int, Range(1, 1024)] | None = None
    log_every: Annotated[int, ANY_COUNT] = 20
    checkpoint_every: Annotated[int, ANY_COUNT] | None = 1000
    checkpoint_minutes: Annotated[float, MINUTES] | None = 10.0
    time_limit_minutes: Annotated[float, MINUTES] | None = None
    val_every: Annotated[int, ANY_COUNT] | None = 1000
    val_samples: Annotated[int, Range(0, 10**6)] = 64
    half_weights: bool = False
    stages: tuple[Stage, ...] = ()
    forks: Forks | None = None
    candidates: CandidateStage | None = None
    refinement: RefinementStage | None = None
    choice: ChoiceStage | None = None
    agreement: AgreementStage | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        _check(
            self.agreement is None or self.choice is not None, "agreement needs choice, with whose pictures it works"
        )
        if self.forks is not None:
            folded = any(source.folded for source in self.data.sources)
            _check(bool(self.data.described) or folded, "forks need data.described, or sources that are folded")
            _check(not self.data.left_out, "data.left_out and forks exclude each other: each fork leaves out its own")
            _check(self.forks.begin > 0 or self.init_from is not None, "forks that begin at 0 need init_from")
        if self.steps == 0:
            follows = any(stage is not None for stage in (self.candidates, self.refinement, self.choice))
            _check(
                follows and self.init_from is not None,
                "steps must be at least 1, or init_from and a later stage be given",
            )
        check_pixels(self.data.height, self.data.width, self.data.frames * self.batch)
        for stage in self.stages:
            check_pixels(stage.height, stage.width, stage.clips * stage.clip_length * (stage.batch or self.batch))
        if self.data.portrait:
            sizes = (self.batch, *(stage.batch or 1 for stage in self.stages))
            _check(all(8 % size == 0 for size in sizes), "batch must be 1, 2, 4 or 8 where data.portrait is above 0")
        ends = [stage.until for stage in self.stages]
        _check(ends == sorted(set(ends)), "stages must be in the order of their 'until'")

    def to_json(self, indent: int | None = None) -> str:
        """All settings as JSON. Paths lose their folders, because a checkpoint with these settings may be published."""
        values = asdict(self)
        if self.init_from is not None:
            values["init_from"] = Path(self.init_from).name
        values["data"]["root"] = Path(self.data.root).name
        return json.dumps(values, indent=indent)

    def stage(self, progress: float) -> Stage | None:
        """The stage at a progress of 0 to 1, None without stages; the last stage always lasts to the end of the run."""
        for stage in self.stages:
            if progress < stage.until:
                return stage
        return self.stages[-1] if self.stages else None


def shipped_recipes() -> dict[str, Path]:
    """The training configurations (recipes) that come with the package: name -> file."""
    folder = Path(str(resources.files("vlp_rvos") / "training" / "recipes"))
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def load_config(source: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training configuration.

    Args:
        source: YAML file, or name of a shipped configuration (`shipped_recipes`).
        overrides: settings that replace those of the file, "a.b=value" each; the value is YAML.

    Raises:
        UserError: no such file, not YAML, an unknown key, a value of the wrong type or out of range.
    """
    refuse_special_file(source)
    file = source if source.is_file() else shipped_recipes().get(str(source))
    if file is None:
        known = ", ".join(shipped_recipes()) or "none"
        raise UserError(f"{source}: no such training configuration; give a YAML file or a shipped name ({known})")
    return read_settings(TrainConfig, file, overrides, defaults={"name": file.stem})


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
