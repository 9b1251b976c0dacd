"""The loop of a stage that trains one part of the candidate path while everything else rests. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. A step depends on nothing but the parameters, the
optimizer's state and the number of the step, so a resumed stage equals an uninterrupted one, unless a time limit drives
its schedule. A stage trains in one process.

A stage may train in several cycles of the learning rate and leave the mean of what they end with (stochastic weight
averaging, arXiv 1803.05407), to which what it began with may belong as well (WiSE-FT, arXiv 2109.01903).
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.batches import LoaderDiedError
from vlp_rvos.training.run_log import RunLog
from vlp_rvos.training.run_state import Clock, Progress
from vlp_rvos.training.running_means import RunningMeans
from vlp_rvos.training.stage_config import StageBudget
from vlp_rvos.training.train_config import Schedule, TrainConfig
from vlp_rvos.training.weight_ema import WeightEMA, mean_weights
from vlp_rvos.utils.atomic import replace_file
from vlp_rvos.utils.progress import announce
from vlp_rvos.utils.signals import StopRequest

__all__ = ["MAX_SKIPPED_IN_ROW", "Item", "LaterStage", "StageContext", "StageResult", "run_stage"]

MAX_SKIPPED_IN_ROW = 20
Item = TypeVar("Item")


@dataclass(frozen=True)
class StageContext:
    """What the stages of a run share.

    Attributes:
        config: configuration of the run.
        folder: folder of the run.
        model: the whole model, on its device.
        fabric: device and number format.
        forks: what each fork came to without its fold, by the names of the trained parameters; none if the training did
            not fork.
    """

    config: TrainConfig
    folder: Path
    model: VLPRVOS
    fabric: Fabric
    forks: tuple[Mapping[str, Tensor], ...] = ()


@dataclass
class StageResult:
    """How a stage ended.

    Attributes:
        finished: whether it reached its end; if not, a signal stopped it.
        progress: how far it has come.
        numbers: what was measured on held-out pictures.
        inference_overrides: fields of the model's config that change at inference, as the stage found them.
    """

    finished: bool = False
    progress: Progress = field(default_factory=Progress)
    numbers: dict[str, float] = field(default_factory=dict)
    inference_overrides: dict[str, Any] = field(default_factory=dict)


class LaterStage(ABC, Generic[Item]):
    """What one stage trains, and on what.

    Args:
        context: the run.
        budget: how long it trains.

    Attributes:
        name: name of the stage, of its checkpoint `<name>.ckpt` and of its lines in the log.
        parts: beginnings of the names of the parameters that it trains.
        betas: of AdamW.
    """

    name: ClassVar[str]
    parts: ClassVar[tuple[str, ...]]
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)

    def __init__(self, context: StageContext, budget: StageBudget) -> None:
        self.context, self.budget = context, budget
        self.model, self.fabric = context.model, context.fabric

    @property
    def checkpoint(self) -> Path:
        """The file to resume the stage from."""
        return self.context.folder / f"{self.name}.ckpt"

    def prepare(self, stop_request: StopRequest) -> bool:
        """Get ready; False if a signal broke it off. The model is in evaluation mode.

        Raises:
            UserError: the data cannot be used.
        """
        return True

    @abstractmethod
    def batches(self, step: int) -> Iterator[Item]:
        """Endless batches from a step on."""

    @abstractmethod
    def losses(self, batch: Item) -> dict[str, Tensor]:
        """The weighted terms of the loss."""

    def measure(self, stop_request: StopRequest) -> StageResult | None:
        """Fit what takes only a moment, and measure the averaged model on held-out pictures.

        Returns:
            What was measured; None if a signal broke it off.
        """
        return StageResult()

    def clean_up(self) -> None:
        """Remove what nothing needs after the stage."""


def run_stage(stage: LaterStage[Any], stop_request: StopRequest) -> StageResult:
    """Train a stage to its end, or until a signal asks to stop. A stage that was begun goes on.

    At its end the model has the averaged parameters.

    Raises:
        UserError: the data cannot be used, or the checkpoint is of another model.
        VLPRVOSError: many steps in a row had a loss or gradient that was not finite.
    """
    return _Run(stage).train(stop_request)


class _Run:
    def __init__(self, stage: LaterStage[Any]) -> None:
        self.stage, self.model, self.budget = stage, stage.model, stage.budget
        self.fabric, self.config = stage.fabric, stage.context.config
        parameters = [(name, p) for name, p in self.model.named_trained_parameters() if name.startswith(stage.parts)]
        self.parameters = [parameter for _, parameter in parameters]
        self.schedule = Schedule("cosine", warmup_steps=self.budget.warmup_steps, floor=self.budget.floor)
        self.result = StageResult()
        self._begin_cycle()
        # What the stage begins with, and what the cycles that have ended came to.
        self.start = {name: tensor.clone() for name, tensor in self.ema.state.items()}
        self.ended: list[dict[str, Tensor]] = []
        if stage.checkpoint.exists():
            self._load()

    @property
    def progress(self) -> Progress:
        """How far the present cycle has come."""
        return self.result.progress

    @property
    def number(self) -> int:
        """Number of the next step among those of all cycles; what is drawn in it follows from this number."""
        cycle = min(len(self.ended), self.budget.cycles - 1)
        return cycle * self.budget.steps + self.progress.step

    def _begin_cycle(self) -> None:
        groups = [
            {"params": [p for p in self.parameters if p.ndim > 1], "weight_decay": self.budget.weight_decay},
            {"params": [p for p in self.parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=self.budget.lr, betas=self.stage.betas)
        self.ema = WeightEMA(self.model, self.budget.ema, self.stage.parts)
        self.result.progress = Progress()

    def train(self, stop_request: StopRequest) -> StageResult:
        stage = self.stage
        if self.result.finished:
            self._use_average()
            return self.result
        self.model.eval()
        if not stage.prepare(stop_request):
            return self.result
        folder, name = stage.context.folder, f"{self.config.name} {stage.name}"
        cycles = self.budget.cycles
        announce(f"{name}: {self.budget.steps} steps" + (f" in each of {cycles} cycles" if cycles > 1 else ""))
        with RunLog(folder, self.config.name, self.number, board=f"tensorboard/{stage.name}") as log:
            while len(self.ended) < cycles:
                try:
                    complete = self._steps(log, stop_request)
                except UserError:
                    # A file of the data cannot be used. The stage can go on from here when it is mended.
                    self._save()
                    raise
                if not complete:
                    self._save()
                    return self.result
                self.ended.append({name: tensor.clone() for name, tensor in self.ema.state.items()})
                if len(self.ended) < cycles:
                    self._begin_cycle()
                self._save()
            self._average_cycles()
            self._use_average()
            self.model.eval()
            measured = stage.measure(stop_request)
            if measured is None:
                return self.result
            # What was fitted last belongs to the result too.
            self.ema.replace()
            self.result.numbers, self.result.inference_overrides = measured.numbers, measured.inference_overrides
            if measured.numbers:
                log.record(self.number, 1.0, f"{stage.name} validation", measured.numbers)
        self.result.finished = True
        self._save()
        stage.clean_up()
        return self.result

    def _done(self) -> float:
        """Which share of the present cycle is done."""
        done, limit = self.progress.step / self.budget.steps, self.budget.time_limit_minutes
        return min(1.0, done if limit is None else max(done, self.progress.elapsed / (60 * limit)))

    def _steps(self, log: RunLog, stop_request: StopRequest) -> bool:
        """Train to the end of the present cycle; False if a signal asked to stop."""
        progress, config = self.progress, self.config
        done, means, clock = self._done(), RunningMeans(), Clock(self.progress.elapsed)
        batches = self.stage.batches(self.number) if done < 1 else iter(())
        self.model.train()
        while done < 1:
            if stop_request:
                return False
            try:
                self._step(batches, done, means)
            except LoaderDiedError:
                # What asked the run to stop may have ended its loading processes too.
                if not stop_request:
                    raise
                return False
            progress.elapsed = clock.elapsed()
            done = self._done()
            done_of_all = (len(self.ended) + done) / self.budget.cycles
            log.advance(self.number, done_of_all, means.means("loss"))
            if progress.step % config.log_every == 0:
                log.record(self.number, done_of_all, self.stage.name, means.take(progress.elapsed))
            overdue = clock.since_saved() > 60 * (config.checkpoint_minutes or math.inf)
            if overdue or (config.checkpoint_every is not None and progress.step % config.checkpoint_every == 0):
                self._save()
                clock.mark_saved()
        return True

    def _step(self, batches: Iterator[Any], done: float, means: RunningMeans) -> None:
        progress = self.progress
        # All randomness of a step follows from its number, so a resumed stage draws the same.
        torch.manual_seed(self.config.seed * 1_000_003 + self.number)
        factor = self.schedule.factor(progress.step, done)
        for group in self.optimizer.param_groups:
            group["lr"] = factor * self.budget.lr
        self.optimizer.zero_grad(set_to_none=True)
        terms = self.stage.losses(next(batches))
        loss = torch.stack(list(terms.values())).sum()
        self.fabric.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.budget.grad_clip)
        progress.step += 1
        if bool(torch.isfinite(loss.detach() + norm)):
            self.optimizer.step()
            self.ema.update()
            progress.skipped_in_row = 0
            numbers = {name: value.item() for name, value in terms.items()}
            means.add(numbers | {"loss": loss.item(), "grad_norm": norm.item()})
        else:
            progress.skipped += 1
            progress.skipped_in_row += 1
        means.add({"lr": factor * self.budget.lr, "skipped": progress.skipped})
        means.samples += 1
        if progress.skipped_in_row >= MAX_SKIPPED_IN_ROW:
            raise VLPRVOSError(
                f"the stage {self.stage.name} stopped at step {progress.step}: the loss or its gradient was not finite "
                f"{MAX_SKIPPED_IN_ROW} times in a row; the last good state is {self.stage.checkpoint}"
            )

    # --- what is kept ----------------------------------------------------------------------------------------------
    def _average_cycles(self) -> None:
        """Let the mean of all cycles, and of the start as far as it counts, take the place of the average."""
        for name, mean in mean_weights(self.ended, self.start, self.budget.start_share).items():
            self.ema.state[name].copy_(mean)

    def _use_average(self) -> None:
        self.model.load_trained({**self.model.trained_state_dict(), **self.ema.state})

    def _save(self) -> None:
        saved = {
            "stage": self.stage.name,
            "model_config": json.dumps(self.model.config.to_dict()),
            "trained": {} if self.result.finished else self.ema.tensors(),
            "average": self.ema.state_dict(),
            "ended": [] if self.result.finished else self.ended,
            "optimizer": {} if self.result.finished else self.optimizer.state_dict(),
            "result": asdict(self.result),
        }
        replace_file(self.stage.checkpoint, lambda path: torch.save(saved, path))

    def _load(self) -> None:
        path = self.stage.checkpoint
        try:
            saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            config = ModelConfig.from_dict(json.loads(saved["model_config"]))
            found = StageResult(**{**saved["result"], "progress": Progress(**saved["result"]["progress"])})
            stage, average, trained = saved["stage"], saved["average"], saved["trained"]
            # Checkpoints of before there were cycles have none.
            ended = saved.get("ended", [])
        except Exception as error:
            raise UserError(
                f"{path}: cannot be resumed (not a readable checkpoint of a stage); remove it to begin the stage again"
            ) from error
        if (
            stage != self.stage.name
            or config.differing(self.model.config)
            or not all(_same_shapes(state, self.start) for state in (average["state"], *ended))
        ):
            raise UserError(
                f"{path}: was made with another model; use the same, or remove it to begin the stage again, or choose "
                "another --output"
            )
        self.ema.load_state_dict(average)
        if not found.finished:
            self.model.load_trained({**self.model.trained_state_dict(), **trained})
            self.optimizer.load_state_dict(saved["optimizer"])
            for group, decay in zip(self.optimizer.param_groups, (self.budget.weight_decay, 0.0), strict=True):
                group["weight_decay"] = decay
        self.result, self.ended = found, ended


def _same_shapes(state: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return {n: t.shape for n, t in state.items()} == {n: t.shape for n, t in other.items()}
