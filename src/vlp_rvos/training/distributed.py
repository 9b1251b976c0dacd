"""Devices, processes and number format of a training run, by Lightning Fabric."""

from __future__ import annotations

import logging
import warnings

import torch
from lightning_fabric import Fabric
from torch import nn

from vlp_rvos.errors import VLPRVOSWarning
from vlp_rvos.runtimes.devices import find_device
from vlp_rvos.runtimes.number_formats import multiplies
from vlp_rvos.training.train_config import TrainConfig

__all__ = ["average_gradients", "make_fabric"]


def make_fabric(config: TrainConfig, device: str) -> Fabric:
    """Fabric for the devices and the precision of a run; several devices train in parallel (DDP).

    On a device without instructions for bfloat16, "bf16-mixed" becomes fp32, with a `VLPRVOSWarning`.

    Args:
        config: configuration of the run.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps"; with a number, the run uses that GPU alone.

    Raises:
        UserError: an unknown name, or a device that is not available.
    """
    found = find_device(device)
    is_mixed = config.precision == "bf16-mixed"
    if is_mixed and not multiplies(torch.bfloat16, found):
        message = f"precision 'bf16-mixed': {found} has no instructions for bfloat16, so the run computes in fp32"
        warnings.warn(VLPRVOSWarning(message), stacklevel=2)
        is_mixed = False
    # It reports the number format, which the configuration states.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    return Fabric(
        accelerator=found.type,
        devices=config.devices if found.index is None else [found.index],
        strategy="ddp" if config.devices > 1 else "auto",
        precision="bf16-mixed" if is_mixed else "32-true",
    )


def average_gradients(fabric: Fabric, parameters: list[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes.

    A parameter that a process did not use counts there as a gradient of 0.
    """
    if fabric.world_size == 1:
        return
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parameters])
    fabric.all_reduce(flat, reduce_op="mean")
    for parameter, gradient in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
        parameter.grad = gradient.view_as(parameter)
