"""The training loop (`docs/method.md` section 5).

The dense head is trained first, and the stages of the candidate path follow (`later_stages.py`).

A sample is a few consecutive clips of one video with the same expressions. The first clip has no history; each of the
others gets the detached history of the one before. Every clip has its own backward pass, so memory holds the graph of
one clip at a time.

A step depends on nothing but the parameters, the optimizer's state and the number of the step. A resumed run therefore
equals an uninterrupted one to the bit, unless a time limit drives its schedule.

Shapes: V videos, B expressions, T frames of a clip, (H, W) pixels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlp_rvos.data.mixture import build_mixture
from vlp_rvos.data.own_data import use_own_data
from vlp_rvos.data.picture_sources import missing_folders
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.models.backbones import load_backbone
from vlp_rvos.models.backbones.earlier_backbones import earlier_weights
from vlp_rvos.models.checkpoint import inherited_overrides, load_trained, peek
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS, ClipOutput
from vlp_rvos.training.batches import Batch, LoaderDiedError, load_batches, mixture_at_stage
from vlp_rvos.training.distributed import average_counts, clip_factors, launch, lost_process_as_error, make_fabric
from vlp_rvos.training.forks import begin_fork, forks_of, trunk
from vlp_rvos.training.later_stages import STAGE_CHECKPOINTS, check_pictures, run_later_stages
from vlp_rvos.training.losses import clip_losses, no_loss
from vlp_rvos.training.optimization import set_learning_rates
from vlp_rvos.training.placed_model import place_model
from vlp_rvos.training.run_checkpoint import CHECKPOINT, MODEL, RunCheckpoint
from vlp_rvos.training.run_log import LOG, RunLog
from vlp_rvos.training.run_state import Clock, Progress
from vlp_rvos.training.running_means import RunningMeans
from vlp_rvos.training.stage_loop import MAX_SKIPPED_IN_ROW, StageContext
from vlp_rvos.training.train_config import Stage, TrainConfig
from vlp_rvos.training.validation import HeldOutValidation, frame_iou
from vlp_rvos.training.weight_ema import WeightEMA, mean_weights
from vlp_rvos.utils.atomic import replace_file
from vlp_rvos.utils.output_files import refuse_foreign
from vlp_rvos.utils.progress import announce, announced
from vlp_rvos.utils.signals import StopRequest, catch_stop_signals

__all__ = ["TrainResult", "Trainer"]

CONFIG = "config.json"


@dataclass(frozen=True)
class TrainResult:
    """How a call of `Trainer.train` ended.

    Attributes:
        finished: whether the run reached its end; if not, it was stopped by a signal and can be resumed.
        steps: number of optimizer steps so far; of the later stage that was stopped, if one was.
        seconds: seconds of training so far, over all parts of an interrupted run.
        validation: numbers of the last validation, see `HeldOutValidation.measure`, and of the later stages, each with
            the name of its stage in front.
        model: file of the trained model.
        signal_number: number of the signal that stopped the run; None if none did, or another process got it.
        stage: name of the later stage or of the fork that was stopped; "" if neither was.
    """

    finished: bool
    steps: int
    seconds: float
    validation: dict[str, float]
    model: Path
    signal_number: int | None = None
    stage: str = ""


class Trainer:
    """Trains a model from its configuration.

    Args:
        config: configuration of the run.
        output: folder of the run; None for `runs/<name>`. It gets `last.ckpt` (to resume), `model.safetensors` (to
            use), `log.jsonl`, `config.json` and `tensorboard/`, and for each later stage `<stage>.ckpt`.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        resume: whether to continue from the folder's `last.ckpt`, if there is one.

    Raises:
        UserError: the folder already holds a run and `resume` is off, or files that no run wrote, there is no data to
            train on, the run to resume is of another model, the device is not available, or model, backbone or
            `init_from` cannot be loaded.
    """

    def __init__(
        self, config: TrainConfig, output: Path | None = None, *, device: str = "auto", resume: bool = False
    ) -> None:
        self.output = output or Path("runs") / config.name
        begun = (self.output / CHECKPOINT).exists()
        if begun and not resume:
            raise UserError(f"{self.output}: holds a run already; use --resume to go on or choose another --output")
        if not begun:
            _refuse_foreign_files(self.output)
            for branch in forks_of(config, config.data, self.output):
                _refuse_foreign_files(branch.folder)
        own = use_own_data(config.data)
        if own.config != config.data:
            # The user's data sets take the place of those of the recipe in the later stages too.
            config = replace(
                config,
                forks=None,
                candidates=config.candidates and replace(config.candidates, sources=()),
                refinement=config.refinement and replace(config.refinement, sources=()),
                choice=config.choice and replace(config.choice, sources=()),
            )
        self.config = config = replace(config, data=own.config, val_samples=config.val_samples if own.held_out else 0)
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self.fabric = make_fabric(config, device)
        launch(self.fabric)
        if own.summary and self.fabric.is_global_zero:
            announce(own.summary)
        torch.manual_seed(config.seed)
        with announced(f"loading the backbone of {config.model.preset}"):
            built = _build_model(config)
            self.placement = place_model(built.dense, self.fabric, config)
            self.model = self.placement.model
            #: the same with the candidate path, which the later stages train; None where the model has none
            self.complete = built.complete
        self.data = config.data.with_input_size(self.model.config.input_size)
        for height, width in [self.data.size, *((stage.height, stage.width) for stage in config.stages)]:
            try:
                built.dense.backbone.check_size(height, width)
            except ValueError as error:
                raise UserError(f"training config: {error}") from error
        self.branch = trunk(config, self.data, self.output)
        self.optimizer = self.placement.optimizer
        self.ema = None if config.ema is None else WeightEMA(self.model, config.ema)
        self.overrides = built.overrides
        self.checkpoint = self._checkpoint(self.output)
        self.progress = Progress()
        self.validation: dict[str, float] = {}
        if self.fabric.broadcast(begun) != begun:
            raise UserError(
                f"{self.output}: not all processes see the same files; use a folder that all machines share"
            )
        if begun:
            self.progress, self.validation = self.checkpoint.load()

    def train(self) -> TrainResult:
        """Train to the end of the schedule, or until a signal (Ctrl-C, SIGTERM, SIGHUP) asks to stop.

        Raises:
            UserError: the data cannot be used.
            VLPRVOSError: many steps in a row had a loss or gradient that was not finite.
        """
        if self.fabric.is_global_zero:
            check_pictures(self.config)
        begun = [name for name in STAGE_CHECKPOINTS if (self.output / name).exists()]
        is_done = self._done() >= self.branch.end
        if begun and not is_done:
            raise UserError(
                f"{self.output}: {begun[0]} was made after more steps; keep them, or choose another --output"
            )
        with lost_process_as_error(self.fabric):
            if begun or (is_done and self.config.steps == 0):
                self._keep_beginning()
                result = self._result()
            else:
                result = self._train_branch()
            if not result.finished:
                return result
            dense, forks = self._shipped(), list[dict[str, Tensor]]()
            if self.config.forks is not None and self.config.steps:
                result, forks = self._train_forks(over=bool(begun))
                if not result.finished:
                    return result
                dense = mean_weights(forks, dense, self.config.forks.start_share)
        if self.complete is None:
            if forks:
                self.checkpoint.save_dense(dense, self.progress, self.validation)
            return result
        # The later stages train in the first process. The others end here: waiting for hours would end in a time-out.
        return self._train_later(result, dense, forks) if self.fabric.is_global_zero else result

    def _train_forks(self, *, over: bool) -> tuple[TrainResult, list[dict[str, Tensor]]]:
        """Train the forks, one after the other.

        Args:
            over: whether all of them have ended before.

        Returns:
            How the last one that trained ended, and what each of them came to, if all have ended.
        """
        states: list[dict[str, Tensor]] = []
        for branch in forks_of(self.config, self.data, self.output):
            if self.fabric.is_global_zero:
                begin_fork(branch.folder, self.output)
            self.fabric.barrier()
            self.branch, self.checkpoint = branch, self._checkpoint(branch.folder)
            self.progress, self.validation = self.checkpoint.load()
            result = self._result() if over else self._train_branch()
            if not result.finished:
                break
            states.append(self._shipped())
        self.checkpoint = self._checkpoint(self.output)
        return replace(result, stage="" if result.finished else self.branch.folder.name), states

    def _shipped(self) -> dict[str, Tensor]:
        """A copy of the trained tensors that are used after training: a fork trains in those of the one before."""
        return {name: tensor.clone() for name, tensor in self.placement.shipped(self.ema).items()}

    def _checkpoint(self, folder: Path) -> RunCheckpoint:
        return RunCheckpoint(folder, self.config, self.placement, self.ema, self.overrides)

    def _keep_beginning(self) -> None:
        """Write what a run begins with, unless that is there."""
        if self.fabric.is_global_zero:
            self._write_config()
        if self.fabric.broadcast(not (self.output / CHECKPOINT).exists()):
            self._save()

    def _result(self) -> TrainResult:
        """The result of a branch that has ended."""
        progress = self.progress
        return TrainResult(True, progress.step, progress.elapsed, self.validation, self.output / MODEL)

    def _train_later(
        self, result: TrainResult, dense: Mapping[str, Tensor], forks: Sequence[Mapping[str, Tensor]]
    ) -> TrainResult:
        """Run the later stages on a trained dense head, and write the whole model after the last one."""
        assert self.complete is not None
        complete = self.complete.to(self.fabric.device)
        complete.load_trained({**complete.trained_state_dict(), **dense})
        context = StageContext(self.config, self.output, complete, self.fabric, tuple(forks))
        with catch_stop_signals() as stop_request:
            stages = run_later_stages(context, stop_request)
        seconds = result.seconds + sum(stage.progress.elapsed for stage in stages.values())
        numbers = {f"{name} {key}": n for name, stage in stages.items() for key, n in stage.numbers.items()}
        result = replace(result, seconds=seconds, validation={**result.validation, **numbers})
        stopped = next((name for name, stage in stages.items() if not stage.finished), "")
        if stopped:
            steps, signal_number = stages[stopped].progress.step, stop_request.signal_number
            return replace(result, finished=False, steps=steps, signal_number=signal_number, stage=stopped)
        overrides = dict(self.checkpoint.inference_overrides or {})
        for stage in stages.values():
            found = stage.inference_overrides.items()
            overrides |= {name: value for name, value in found if name not in self.config.model.overrides}
        recorded = {
            name: {"steps": stage.progress.step, "seconds": round(stage.progress.elapsed, 1), **stage.numbers}
            for name, stage in stages.items()
        }
        self.checkpoint.save_complete(complete, self.progress, self.validation, recorded, overrides)
        return result

    def _write_config(self) -> None:
        replace_file(self.output / CONFIG, lambda path: path.write_text(self.config.to_json(indent=2)))

    def _train_branch(self) -> TrainResult:
        """Train everything but the candidate path to the end of the present branch."""
        if self.branch.end < 1 and self._done() >= self.branch.end:
            self._keep_beginning()
            return self._result()
        progress, config, first_process = self.progress, self.config, self.fabric.is_global_zero
        branch, data = self.branch, self.branch.data
        done = self._done()
        stage = config.stage(done)
        given = [source.folder for source in data.sources] + [source.folder for source in data.described]
        folders = [Path(data.root) / folder for folder in dict.fromkeys(given)]
        passed_over = missing_folders(data.described, data)
        names = ", ".join(str(folder) for folder in folders if folder not in passed_over)
        with announced(f"reading {names}"):
            loader = self._loader(stage)
        held_out: HeldOutValidation | None = None
        if first_process:
            if config.val_samples:
                # Held-out data that is missing or of no use is found out here, not at the first validation hours later.
                with announced("reading what is held out for validation"):
                    mixture = build_mixture(data, "holdout")
                    mixture.sample(0)
                held_out = HeldOutValidation(mixture, config.val_samples, data.clips)
            self._write_config()
        log = RunLog(branch.folder, branch.name, progress.step, enabled=first_process)
        means = RunningMeans()
        clock = Clock(progress.elapsed)
        begun_at = progress.step
        if first_process:
            until = f", up to {branch.end:.0%} of them" if branch.end < 1 else ""
            announce(f"{branch.name}: training on {names}, {config.steps} steps{until}")
        with catch_stop_signals() as stop_request, log:
            while done < branch.end:
                if config.stage(done) != stage:
                    stage = config.stage(done)
                    loader = self._loader(stage)
                try:
                    self._step(loader, stage, done, means)
                except LoaderDiedError:
                    # What asked the run to stop may have ended its loading processes too. The step has changed nothing.
                    if not stop_request:
                        raise
                    break
                except UserError:
                    # A file of the data cannot be used. The run can go on from here when it is mended.
                    if progress.step > begun_at and self.fabric.world_size == 1:
                        self._save()
                    raise
                overdue = clock.since_saved() > 60 * (config.checkpoint_minutes or math.inf)
                # Clocks and signals differ between processes: all follow the first one.
                decided = (clock.elapsed(), overdue, bool(stop_request))
                progress.elapsed, overdue, stop = self.fabric.broadcast(decided)
                done = self._done()
                if first_process and progress.step == begun_at + 1:
                    announce(f"{branch.name}: the first step is done after {progress.elapsed:.0f} s")
                log.advance(progress.step, done, means.means("loss", "iou"))
                if progress.step % config.log_every == 0:
                    log.record(progress.step, done, "train", means.take(progress.elapsed))
                if done >= branch.end or stop:
                    break
                if _due(progress.step, config.val_every) and not self._validate(held_out, log, stop_request):
                    break
                if overdue or _due(progress.step, config.checkpoint_every):
                    self._save()
                    clock.mark_saved()
            # The end of a trunk is not the end of its schedule: what comes to it is not used alone.
            finished = done >= branch.end and (branch.end < 1 or self._validate(held_out, log, stop_request))
            self._save(finished=finished and branch.end == 1)
        return TrainResult(
            finished, progress.step, progress.elapsed, self.validation, self.output / MODEL, stop_request.signal_number
        )

    def _done(self) -> float:
        """How much of the run is done, from 0 to 1, by steps or by the time limit."""
        done = self.progress.step / self.config.steps if self.config.steps else 1.0
        limit = self.config.time_limit_minutes
        return min(1.0, done if limit is None else max(done, self.progress.elapsed / (60 * limit)))

    def _loader(self, stage: Stage | None) -> Iterator[Batch]:
        # Samples come in groups that are all portrait or all landscape, and a batch cannot hold both. Batches that
        # begin at a multiple of their size never cross the border of a group.
        videos = self._batch_size(stage) * self.fabric.world_size
        self.progress.position = math.ceil(self.progress.position / videos) * videos
        return load_batches(
            mixture_at_stage(self.branch.data, stage),
            batch=self._batch_size(stage),
            position=self.progress.position,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            workers=self.config.workers,
        )

    def _batch_size(self, stage: Stage | None) -> int:
        return (stage.batch if stage else None) or self.config.batch

    def _step(self, loader: Iterator[Batch], stage: Stage | None, done: float, means: RunningMeans) -> None:
        """One optimizer step, left out where the loss or the gradient is not finite."""
        config, progress, fabric = self.config, self.progress, self.fabric
        # All randomness of a step follows from its number, so a resumed run draws the same, and so do all processes:
        # with other seeds, the step would depend on their number.
        torch.manual_seed(config.seed * 1_000_003 + progress.step)
        factor = config.schedule.factor(progress.step, done)
        set_learning_rates(self.optimizer, factor)
        self.placement.zero_gradients()
        loss = torch.zeros((), device=fabric.device)
        for _ in range(config.accumulate):
            loss += self._backward(next(loader), means)
        self.placement.average_gradients()
        norm = self.placement.clip_gradients(config.grad_clip)
        finite = bool(fabric.all_reduce(torch.isfinite(loss + norm).float(), reduce_op="mean") == 1)
        if finite:
            self.optimizer.step()
            if self.ema is not None:
                self.ema.update()
            progress.skipped_in_row = 0
            means.add({"grad_norm": norm.item()})
        else:
            progress.skipped += 1
            progress.skipped_in_row += 1
        videos = self._batch_size(stage) * config.accumulate * fabric.world_size
        progress.step += 1
        progress.position += videos
        means.add({"lr": factor * config.lr, "lr_new": factor * config.lr_new, "skipped": progress.skipped})
        means.samples += videos
        if progress.skipped_in_row >= MAX_SKIPPED_IN_ROW:
            raise VLPRVOSError(
                f"training stopped at step {progress.step}: the loss or its gradient was not finite "
                f"{MAX_SKIPPED_IN_ROW} times in a row; the last good state is {self.branch.folder / CHECKPOINT}"
            )

    def _backward(self, batch: Batch, means: RunningMeans) -> Tensor:
        """Add the gradients of one batch to those that are there; returns its loss."""
        device = self.fabric.device
        text = self.model.backbone.tokenize(batch.expressions).to(device)
        video_of = batch.video_of.to(device)
        has_target = batch.has_target().to(device)
        history: Tensor | None = None
        total = torch.zeros((), device=device)
        counts = batch.supervised_counts()
        mean_counts = average_counts(self.fabric, counts)
        factors = clip_factors(counts, mean_counts) / (batch.clip_count * self.config.accumulate)
        clips = zip(factors, (mean_counts > 0).tolist(), batch.clips(device), strict=True)
        for factor, taught, (frames, masks, supervised) in clips:
            # A clip in which no process has a supervised frame is run for its history only.
            with self.fabric.autocast(), torch.set_grad_enabled(taught):
                output = self.model(frames, text, history, video_of)
            history = self._next_history(output)
            if not taught:
                continue
            if supervised is not None and not supervised.any():
                self.placement.backward(no_loss(output))
                continue
            losses = clip_losses(output, masks, self.config.loss, supervised, has_target)
            self.placement.backward(losses.total * factor)
            total += losses.total.detach() * factor
            ious = frame_iou(output.mask_logits.detach() > 0, masks)
            iou = (ious if supervised is None else ious[supervised]).mean()
            numbers = losses.detached() | {"iou": iou}
            means.add(dict(zip(numbers, torch.stack(list(numbers.values())).tolist(), strict=True)))
        return total

    def _next_history(self, output: ClipOutput) -> Tensor | None:
        """History for the next clip, left out at random (`history_dropout`)."""
        dropped = torch.rand(()).item() < self.config.history_dropout
        return None if dropped else output.history.detach()

    def _validate(self, held_out: HeldOutValidation | None, log: RunLog, stop_request: StopRequest) -> bool:
        """Measure the weights that are shipped, in the first process; the others wait.

        Returns:
            False if a signal broke the measurement off; then the numbers of the last one are kept.
        """
        if not self.config.val_samples:
            return True
        complete = True
        with self.placement.validated(self.ema) as model:
            if held_out is not None and model is not None:
                found = held_out.measure(model, self.fabric, stop_request)
                complete = found is not None
                if found is not None:
                    self.validation = found
                    log.record(self.progress.step, self._done(), "validation", found)
        return self.fabric.broadcast(complete)

    def _save(self, *, finished: bool = False) -> None:
        """Write the checkpoint in the first process; the others wait."""
        self.checkpoint.save(self.progress, self.validation, finished=finished)
        self.fabric.barrier()


def _refuse_foreign_files(folder: Path) -> None:
    """Check that a run that begins in a folder replaces nothing but what a run wrote that was stopped early.

    Raises:
        UserError: it would.
    """
    if (folder / MODEL).exists():
        raise UserError(f"{folder}: holds a {MODEL} already; choose another --output, or move it away")
    for name in STAGE_CHECKPOINTS:
        if (folder / name).exists():
            raise UserError(f"{folder}: holds {name}, but no {CHECKPOINT}; choose another --output, or move it away")
    settings = {"name", "model", "data", "steps", "seed"}
    refuse_foreign(folder / CONFIG, lambda path: _has_keys(path.read_bytes(), settings))
    refuse_foreign(folder / LOG, lambda path: _has_keys(path.read_bytes().partition(b"\n")[0], {"event", "step"}))
    if (folder / "tensorboard").exists() and not (folder / "tensorboard").is_dir():
        raise UserError(f"{folder / 'tensorboard'} is not a folder: choose another --output, or move it away")


def _has_keys(text: bytes, keys: set[str]) -> bool:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and keys <= content.keys()


@dataclass(frozen=True)
class _BuiltModel:
    """The model at the start of a run, on the CPU.

    Attributes:
        dense: the model without the candidate path.
        complete: the whole model, on the same backbone; None where it has no candidate path.
        overrides: how its config changes for inference.
    """

    dense: VLPRVOS
    complete: VLPRVOS | None
    overrides: dict[str, Any]


def _build_model(config: TrainConfig) -> _BuiltModel:
    choice = config.model
    weights: str | Path | None = choice.backbone_weights
    start = None if config.init_from is None else peek(config.init_from)
    if weights is None and start is not None:
        weights = earlier_weights(choice.preset, start.backbone_fingerprint)
    backbone = load_backbone(choice.preset, weights)
    whole = ModelConfig.preset(choice.preset).replace(**choice.overrides)
    dense, complete = VLPRVOS(backbone, whole.replace(candidates=0)), None
    known = {} if start is None else start.config
    is_known = bool(known.get("candidates"))
    _check_stages(config, whole, known)
    if whole.candidates:
        complete = VLPRVOS(backbone, whole)
        assert complete.candidate_path is not None
        complete.candidate_path.name_classes(backbone)
    if config.init_from is None:
        return _BuiltModel(dense, complete, {})
    target = complete if complete is not None and is_known else dense
    inherited = inherited_overrides(load_trained(target, config.init_from), target.config)
    if target is complete:
        own = dense.trained_state_dict()
        dense.load_trained({name: tensor for name, tensor in target.trained_state_dict().items() if name in own})
    overrides = {name: value for name, value in inherited.items() if name not in choice.overrides}
    # What does not fit is found out here, not when the first checkpoint is written.
    whole.replace(**overrides)
    return _BuiltModel(dense, complete, overrides)


def _check_stages(config: TrainConfig, model: ModelConfig, known: Mapping[str, object]) -> None:
    """Check that the candidate path is trained where the model has one, and only there.

    Args:
        config: what is trained.
        model: the model.
        known: config of the model that the training starts from; empty where it starts from nothing.

    Raises:
        UserError: it is not so.
    """
    stages = {"candidates": config.candidates, "refinement": config.refinement, "choice": config.choice}
    given = [name for name, stage in stages.items() if stage is not None]
    had, trained = _parts(model.candidates, model.refinement), _parts(known.get("candidates"), known.get("refinement"))
    if superfluous := [name for name in given if name not in had]:
        setting = "refinement=true" if model.candidates else "candidates=24"
        part = "refinement" if model.candidates else "candidate path"
        raise UserError(
            f"the model has no {part}, which {' and '.join(superfluous)} would train: "
            f"set model.overrides.{setting}, or {superfluous[0]}=null"
        )
    if lacking := [name for name in had if name not in (*trained, *given)]:
        setting = "refinement=false" if lacking == ["refinement"] else "candidates=0"
        raise UserError(
            f"nothing trains the {' and '.join(lacking)} of this model: give the stage, begin with init_from "
            f"from a model that has them, or set model.overrides.{setting}"
        )


def _parts(candidates: object, refinement: object) -> list[str]:
    """The parts of a model that stages train, by what its config says."""
    if not candidates:
        return []
    return ["candidates", *(["refinement"] if refinement else []), "choice"]


def _due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0
