"""Devices, processes and number format of a training run."""

from __future__ import annotations

from lightning_fabric import Fabric

from vlp_rvos.runtimes.devices import find_device
from vlp_rvos.training.train_config import TrainConfig

__all__ = ["make_fabric"]


def make_fabric(config: TrainConfig, device: str) -> Fabric:
    """Fabric for the devices and the precision of a run; several devices train in parallel (DDP).

    Args:
        config: of the run.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps"; with a number, the run takes that GPU alone.

    Raises:
        UserError: an unknown name, or a device that is not available.
    """
    found = find_device(device)
    return Fabric(
        accelerator=found.type,
        devices=config.devices if found.index is None else [found.index],
        strategy="ddp" if config.devices > 1 else "auto",
        precision="bf16-mixed" if config.precision == "bf16-mixed" else "32-true",
    )
