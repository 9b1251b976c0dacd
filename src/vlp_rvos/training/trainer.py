"""The training loop (`docs/method.md` section 5).

Each sample is two consecutive clips with the same expressions: the first without history, the second with the first
one's, detached; each is sent backward by itself, so that memory is that of one clip. What a step does is a function of
the parameters, the optimizer's state and the step's number alone, so a resumed run equals an uninterrupted one bit by
bit (unless a time limit drives its schedule).

Shapes: V videos, B expressions, T frames of a clip, (H, W) pixels.

"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vlp_rvos.data.mixture import Mixture, build_mixture
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.models.backbones import earlier_weights, load_backbone
from vlp_rvos.models.checkpoint import backbone_fingerprint, load_trained, peek, save_trained
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS, ClipOutput
from vlp_rvos.training.batches import Batch, batches, collate, staged
from vlp_rvos.training.losses import clip_losses
from vlp_rvos.training.optimization import Average, average_gradients, make_optimizer, set_learning_rates
from vlp_rvos.training.processes_setup import make_fabric
from vlp_rvos.training.run_log import RunLog
from vlp_rvos.training.run_state import Clock, Progress, RunningMeans
from vlp_rvos.training.train_config import Stage, TrainConfig
from vlp_rvos.training.validation import expression_means, frame_iou
from vlp_rvos.utils.atomic import replace_file
from vlp_rvos.utils.signals import catch_stop_signals

__all__ = ["TrainResult", "Trainer"]

CHECKPOINT, MODEL = "last.ckpt", "model.safetensors"


MOST_SKIPPED_IN_A_ROW = 20


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        finished: False when it was stopped on request; it can be resumed.
        steps: taken so far.
        seconds: taken so far.
        validation: the last numbers on held-out samples.
        model: the checkpoint that can be used.
    """

    finished: bool
    steps: int
    seconds: float
    validation: dict[str, float]
    model: Path


class Trainer:
    """Trains a model from its configuration.

    Args:
        config: of the run.
        output: folder of the run; `runs/<name>` by default. It gets `last.ckpt` (to resume), `model.safetensors` (to
            use), `log.jsonl`, `config.json` and `tensorboard/`.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        resume: go on from `last.ckpt` where there is one.

    Raises:
        UserError: the folder already holds a run and `resume` is off, the run to resume is of another model, the
            device is not there, or model, backbone, data or `init_from` cannot be loaded.
    """

    def __init__(
        self, config: TrainConfig, output: Path | None = None, *, device: str = "auto", resume: bool = False
    ) -> None:
        self.config = config
        self.output = output or Path("runs") / config.name
        checkpoint = self.output / CHECKPOINT
        if checkpoint.exists() and not resume:
            raise UserError(f"{self.output}: holds a run already; use --resume to go on or choose another --output")
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self.fabric = make_fabric(config, device)
        self.fabric.launch()
        self.progress = Progress()
        self.validation: dict[str, float] = {}
        self.held_out: Mixture | None = None

        choice = config.model
        torch.manual_seed(config.seed)
        weights: str | Path | None = choice.backbone_weights
        if weights is None and config.init_from is not None:
            weights = earlier_weights(choice.preset, peek(config.init_from).backbone_fingerprint)
        backbone = load_backbone(choice.preset, weights)
        self.model = VLPRVOS(backbone, ModelConfig.preset(choice.preset).replace(**choice.overrides))
        self.data = config.data.with_input_size(self.model.config.input_size)
        if config.init_from is not None:
            load_trained(self.model, config.init_from)
        self.model.to(self.fabric.device).train()
        self.parameters: list[nn.Parameter] = list(self.model.trained_parameters())
        self.optimizer = make_optimizer(self.model, config)
        self.average = None if config.ema is None else Average(self.model, config.ema)
        if checkpoint.exists():
            self._load(checkpoint)

    def train(self) -> TrainResult:
        """Run until the end of the schedule, or until a signal (SIGTERM, Ctrl-C) asks to stop.

        Raises:
            VLPRVOSError: many steps in a row had a loss or gradient that was not finite.
        """
        progress, config = self.progress, self.config
        stage = config.stage(self._done())
        loader = self._loader(stage)
        if self.fabric.is_global_zero:
            if config.val_samples:
                # What is missing for the validation should not be found out hours later.
                self.held_out = build_mixture(self.data, "holdout")
            replace_file(self.output / "config.json", lambda path: path.write_text(_config_json(config, indent=2)))
        log = RunLog(self.output, config.name, progress.step, enabled=self.fabric.is_global_zero)
        numbers = RunningMeans()
        clock = Clock(progress.elapsed)
        done = self._done()
        with catch_stop_signals() as request, log:
            while done < 1:
                if config.stage(done) != stage:
                    stage = config.stage(done)
                    loader = self._loader(stage)
                self._step(loader, stage, done, numbers)
                overdue = clock.since_saved() > 60 * (config.checkpoint_minutes or math.inf)
                # The first process decides: clocks and signals of the others differ.
                decided = (clock.elapsed(), overdue, bool(request))
                progress.elapsed, overdue, stop = self.fabric.broadcast(decided)
                done = self._done()
                log.advance(progress.step, done, numbers.means("loss", "iou"))
                if progress.step % config.log_every == 0:
                    log.record(progress.step, done, "train", numbers.take(progress.elapsed))
                if done == 1 or stop:
                    break
                if _due(progress.step, config.val_every):
                    self._validate(log)
                if overdue or _due(progress.step, config.checkpoint_every):
                    self._save()
                    clock.saved()
            finished = done == 1
            if finished:
                self._validate(log)
        self._save(finished=finished)
        return TrainResult(finished, progress.step, progress.elapsed, self.validation, self.output / MODEL)

    def _done(self) -> float:
        done = self.progress.step / self.config.steps
        limit = self.config.time_limit_minutes
        return min(1.0, done if limit is None else max(done, self.progress.elapsed / (60 * limit)))

    def _loader(self, stage: Stage | None) -> Iterator[Batch]:
        # Portrait and landscape samples come in aligned groups; batches that straddle them could not be stacked.
        videos = self._batch_size(stage) * self.fabric.world_size
        self.progress.position = math.ceil(self.progress.position / videos) * videos
        return batches(
            staged(self.data, stage),
            batch=self._batch_size(stage),
            position=self.progress.position,
            rank=self.fabric.global_rank,
            world=self.fabric.world_size,
            workers=self.config.workers,
        )

    def _batch_size(self, stage: Stage | None) -> int:
        return (stage.batch if stage else None) or self.config.batch

    def _step(self, loader: Iterator[Batch], stage: Stage | None, done: float, numbers: RunningMeans) -> None:
        config, progress, fabric = self.config, self.progress, self.fabric
        # Everything random in a step follows from its number, so a resumed run draws the same.
        torch.manual_seed((config.seed * 1_000_003 + progress.step) * fabric.world_size + fabric.global_rank)
        factor = config.schedule.factor(progress.step, done)
        set_learning_rates(self.optimizer, factor)
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=fabric.device)
        for _ in range(config.accumulate):
            loss += self._backward(next(loader), numbers)
        average_gradients(fabric, self.parameters)
        norm = nn.utils.clip_grad_norm_(self.parameters, config.grad_clip)
        finite = bool(fabric.all_reduce(torch.isfinite(loss + norm).float(), reduce_op="mean") == 1)
        if finite:
            self.optimizer.step()
            if self.average is not None:
                self.average.update()
            progress.skipped_in_row = 0
            numbers.add({"grad_norm": norm.item()})
        else:
            progress.skipped += 1
            progress.skipped_in_row += 1
        videos = self._batch_size(stage) * config.accumulate * fabric.world_size
        progress.step += 1
        progress.position += videos
        numbers.add({"lr": factor * config.lr, "lr_new": factor * config.lr_new, "skipped": progress.skipped})
        numbers.samples += videos
        if progress.skipped_in_row >= MOST_SKIPPED_IN_A_ROW:
            raise VLPRVOSError(
                f"training stopped at step {progress.step}: the loss or its gradient was not finite "
                f"{MOST_SKIPPED_IN_A_ROW} times in a row; the last good state is {self.output / CHECKPOINT}"
            )

    def _backward(self, batch: Batch, numbers: RunningMeans) -> Tensor:
        """Gradients of one batch are added to what is there; returns its loss."""
        device = self.fabric.device
        text = self.model.backbone.tokenize(batch.expressions).to(device)
        video_of = batch.video_of.to(device)
        refers = batch.refers().to(device)
        history: Tensor | None = None
        total = torch.zeros((), device=device)
        for frames, masks, supervised in batch.clips(device):
            # A clip without any truth still has a history for the next one.
            teaches = supervised is None or bool(supervised.any())
            with self.fabric.autocast(), torch.set_grad_enabled(teaches):
                output = self.model(frames, text, history, video_of)
            history = self._kept_history(output)
            if not teaches:
                continue
            losses = clip_losses(output, masks, self.config.loss, supervised, refers)
            self.fabric.backward(losses.total / (batch.count * self.config.accumulate))
            total += losses.total.detach() / (batch.count * self.config.accumulate)
            ious = frame_iou(output.mask_logits.detach() > 0, masks)
            iou = (ious if supervised is None else ious[supervised]).mean()
            parts = losses.parts() | {"iou": iou}
            numbers.add(dict(zip(parts, torch.stack(list(parts.values())).tolist(), strict=True)))
        return total

    def _kept_history(self, output: ClipOutput) -> Tensor | None:
        dropped = torch.rand(()).item() < self.config.history_dropout
        return None if dropped else output.history.detach()

    def _validate(self, log: RunLog) -> None:
        """Mean IoU over frames, of all held-out samples and of each kind, and how often presence is right."""
        if self.fabric.is_global_zero and self.config.val_samples:
            with self.average.applied() if self.average is not None else nullcontext():
                self.validation = self._held_out()
            log.record(self.progress.step, self._done(), "validation", self.validation)
        self.fabric.barrier()

    @torch.no_grad()
    def _held_out(self) -> dict[str, float]:
        assert self.held_out is not None
        device = self.fabric.device
        found: dict[str, list[float]] = defaultdict(list)
        self.model.eval()
        for index in range(self.config.val_samples):
            sample = self.held_out.sample(index)
            batch = collate([sample], self.data.clips)
            text = self.model.backbone.tokenize(batch.expressions).to(device)
            history: Tensor | None = None
            for frames, masks, supervised in batch.clips(device):
                with self.fabric.autocast():
                    output = self.model(frames, text, history, batch.video_of.to(device))
                history = output.history
                ious = expression_means(frame_iou(output.mask_logits > 0, masks), supervised)
                found["iou"] += ious.values()
                for e, iou in ious.items():
                    found[f"iou_{sample.kinds[e]}"].append(iou)
                    if sample.kinds[e] != "absent":
                        found["iou_present"].append(iou)
                if output.presence_logits is not None:
                    right = (output.presence_logits > 0) == masks.flatten(2).any(-1)
                    found["presence_accuracy"] += expression_means(right.float(), supervised).values()
        self.model.train()
        return {name: math.fsum(values) / len(values) for name, values in sorted(found.items())}

    def _save(self, *, finished: bool = False) -> None:
        """Write `last.ckpt`, to go on from, and `model.safetensors`, to use."""
        if self.fabric.is_global_zero:
            saved = {
                "config": _config_json(self.config),
                "model_config": json.dumps(self.model.config.to_dict()),
                "backbone_fingerprint": backbone_fingerprint(self.model.backbone),
                "trained": self.model.trained_state_dict(),
                "average": None if self.average is None else self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "progress": asdict(self.progress),
                "validation": self.validation,
            }
            replace_file(self.output / CHECKPOINT, lambda path: torch.save(saved, path))
            training = {
                "config": json.loads(_config_json(self.config)),
                "finished": finished,
                "steps": self.progress.step,
                "samples": self.progress.position,
                "seconds": round(self.progress.elapsed, 1),
                "seed": self.config.seed,
                "validation": self.validation,
            }
            save_trained(
                self.output / MODEL,
                self.model,
                training,
                state=None if self.average is None else self.average.state,
                backbone_weights=self.config.model.backbone_weights,
                half=self.config.half_weights,
            )
        self.fabric.barrier()

    def _load(self, path: Path) -> None:
        try:
            saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            # Fields that came later have their defaults.
            model_config, trained = ModelConfig.from_dict(json.loads(saved["model_config"])), saved["trained"]
            fingerprint, progress = saved["backbone_fingerprint"], Progress(**saved["progress"])
        except Exception as error:
            raise UserError(
                f"{path}: cannot be resumed (not a readable checkpoint of a run); start again in another --output"
            ) from error
        for name, now, then in (
            ("model config", self.model.config, model_config),
            ("backbone", backbone_fingerprint(self.model.backbone), fingerprint),
            ("averaging", self.average is None, saved["average"] is None),
        ):
            if now != then:
                raise UserError(f"{path}: was made with another {name}; use the same or choose another --output")
        self.model.load_trained(trained)
        self.optimizer.load_state_dict(saved["optimizer"])
        # The rates are the configuration's: it may have been changed on purpose between the parts of a run.
        fresh = make_optimizer(self.model, self.config)
        for group, wanted in zip(self.optimizer.param_groups, fresh.param_groups, strict=True):
            group |= {key: value for key, value in wanted.items() if key != "params"}
        if self.average is not None:
            self.average.load_state_dict(saved["average"])
        self.progress, self.validation = progress, saved["validation"]


def _due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0


def _config_json(config: TrainConfig, indent: int | None = None) -> str:
    # A checkpoint travels: of paths it keeps the last part.
    values = dataclasses.asdict(config)
    if config.init_from is not None:
        values["init_from"] = Path(config.init_from).name
    values["data"]["root"] = Path(config.data.root).name
    return json.dumps(values, indent=indent)
