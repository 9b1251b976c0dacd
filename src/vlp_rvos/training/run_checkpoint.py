"""The two files that a training run writes again and again: `last.ckpt` to resume it, `model.safetensors` to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.earlier_backbones import current_fingerprint
from vlp_rvos.models.checkpoint import MODEL_FILE, backbone_fingerprint, save_trained
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.optimization import make_optimizer
from vlp_rvos.training.placement import Placement
from vlp_rvos.training.run_state import Progress
from vlp_rvos.training.train_config import TrainConfig
from vlp_rvos.training.weight_ema import WeightEMA
from vlp_rvos.utils.atomic import replace_file

__all__ = ["CHECKPOINT", "MODEL", "RunCheckpoint"]

CHECKPOINT, MODEL = "last.ckpt", MODEL_FILE


class RunCheckpoint:
    """Saves and restores what a run changes while it trains.

    Args:
        folder: folder of the run.
        config: configuration of the run.
        placement: model that is trained, and its optimizer.
        ema: average of the trained weights; None where the run keeps none.
        inference_overrides: fields of the model's config that change at inference, for `model.safetensors`.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        placement: Placement,
        ema: WeightEMA | None,
        inference_overrides: Mapping[str, object] | None = None,
    ) -> None:
        self.resumable, self.usable = folder / CHECKPOINT, folder / MODEL
        self.config, self.placement, self.ema = config, placement, ema
        self.inference_overrides = inference_overrides

    def save(self, progress: Progress, validation: dict[str, float], *, finished: bool = False) -> None:
        """Replace both files; each is complete at any time. All processes take part, and the first one writes.

        Args:
            progress: how far the run has come.
            validation: numbers of the last validation.
            finished: whether the run has reached its end.
        """
        model = self.placement.model
        trained = self.placement.joined(model.trained_state_dict())
        average: dict[str, Any] | None = None
        if self.ema is not None:
            average = self.ema.state_dict() | {"state": self.placement.joined(self.ema.state)}
        optimizer = self.placement.optimizer_state()
        if not self.placement.fabric.is_global_zero:
            return
        saved = {
            "config": self.config.to_json(),
            "model_config": json.dumps(model.config.to_dict()),
            "backbone_fingerprint": backbone_fingerprint(model.backbone),
            "trained": trained,
            "average": average,
            "optimizer": optimizer,
            "progress": asdict(progress),
            "validation": validation,
        }
        replace_file(self.resumable, lambda path: torch.save(saved, path))
        shipped = trained if average is None else average["state"]
        self._write(model, self._record(progress, validation, finished), shipped, self.inference_overrides)

    def save_dense(self, trained: Mapping[str, Tensor], progress: Progress, validation: dict[str, float]) -> None:
        """Replace `model.safetensors` by a model without a candidate path, in the first process.

        Args:
            trained: the whole trained tensors, by their names.
            progress: how far the run has come.
            validation: numbers of the last validation.
        """
        if self.placement.fabric.is_global_zero:
            record = self._record(progress, validation, True)
            self._write(self.placement.model, record, trained, self.inference_overrides)

    def save_complete(
        self,
        model: VLPRVOS,
        progress: Progress,
        validation: dict[str, float],
        stages: Mapping[str, object],
        inference_overrides: Mapping[str, object],
    ) -> None:
        """Replace `model.safetensors` by the whole model, after its last stage.

        Args:
            model: the whole model.
            progress: how far the run had come before the later stages.
            validation: numbers of the last validation.
            stages: name of each later stage -> what to record of it.
            inference_overrides: fields of the model's config that change at inference.
        """
        record = {**self._record(progress, validation, True), "stages": stages}
        self._write(model, record, None, inference_overrides)

    def _write(
        self,
        model: VLPRVOS,
        record: Mapping[str, object],
        state: Mapping[str, Tensor] | None,
        inference_overrides: Mapping[str, object] | None,
    ) -> None:
        save_trained(
            self.usable,
            model,
            record,
            state=state,
            inference_overrides=inference_overrides,
            backbone_weights=self.config.model.backbone_weights,
            half=self.config.half_weights,
        )

    def _record(self, progress: Progress, validation: dict[str, float], finished: bool) -> dict[str, object]:
        return {
            "config": json.loads(self.config.to_json()),
            "finished": finished,
            "steps": progress.step,
            "samples": progress.position,
            "seconds": round(progress.elapsed, 1),
            "seed": self.config.seed,
            "validation": validation,
        }

    def load(self) -> tuple[Progress, dict[str, float]]:
        """Restore model, optimizer and average from `last.ckpt`.

        Learning rates and weight decay are those of the configuration, which may have been changed since.

        Returns:
            How far the run had come, and the numbers of its last validation.

        Raises:
            UserError: the file is broken, or of a run with another model, backbone or averaging.
        """
        path, placement = self.resumable, self.placement
        model, optimizer = placement.model, placement.optimizer
        try:
            saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            # `from_dict` fills in fields that came with a later version.
            model_config, trained = ModelConfig.from_dict(json.loads(saved["model_config"])), saved["trained"]
            fingerprint, progress = saved["backbone_fingerprint"], Progress(**saved["progress"])
        except Exception as error:
            raise UserError(
                f"{path}: cannot be resumed (not a readable checkpoint of a run); start again in another --output"
            ) from error
        for name, differs in (
            ("model config", model.config.differing(model_config)),
            ("backbone", backbone_fingerprint(model.backbone) != current_fingerprint(fingerprint)),
            ("averaging", (self.ema is None) != (saved["average"] is None)),
        ):
            if differs:
                raise UserError(f"{path}: was made with another {name}; use the same or choose another --output")
        placement.load(trained)
        placement.load_optimizer(saved["optimizer"])
        configured = make_optimizer(model, self.config)
        for group, wanted in zip(optimizer.param_groups, configured.param_groups, strict=True):
            group |= {key: value for key, value in wanted.items() if key != "params"}
        if self.ema is not None:
            average = saved["average"]
            self.ema.load_state_dict(average | {"state": placement.parts(average["state"])})
        return progress, saved["validation"]
