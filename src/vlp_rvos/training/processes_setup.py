"""Devices, processes and number format of a training run."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric

from vlp_rvos.errors import UserError
from vlp_rvos.training.train_config import TrainConfig

__all__ = ["make_fabric"]


def make_fabric(config: TrainConfig, device: str) -> Fabric:
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise UserError(f"device '{device}' is unknown; use auto, cpu, cuda, cuda:<number> or mps")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device '{device}' is not there: no usable GPU was found; use --device cpu")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UserError("device 'mps' is not there; use --device cpu")
    if index and int(index) >= torch.cuda.device_count():
        raise UserError(f"device '{device}' is not there: {torch.cuda.device_count()} GPU(s) were found")
    return Fabric(
        accelerator=kind,
        devices=[int(index)] if index else config.devices,
        strategy="ddp" if config.devices > 1 else "auto",
        precision="bf16-mixed" if config.precision == "bf16-mixed" else "32-true",
    )
