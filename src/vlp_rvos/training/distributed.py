"""Devices, processes and number format of a training run, by Lightning Fabric."""

from __future__ import annotations

import atexit
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from vlp_rvos.errors import UserError, VLPRVOSError, VLPRVOSWarning
from vlp_rvos.runtimes.devices import find_device
from vlp_rvos.runtimes.number_formats import multiplies
from vlp_rvos.training.train_config import TrainConfig

__all__ = ["average_counts", "average_gradients", "clip_factors", "launch", "lost_process_as_error", "make_fabric"]

#: logger of the thread that ends the run where a process that Fabric started has died
CHILD_OBSERVER = "lightning_fabric.strategies.launchers.subprocess_script"


def make_fabric(config: TrainConfig, device: str) -> Fabric:
    """Fabric for the devices and the precision of a run; several processes train in parallel.

    Fabric is left only to start the processes and to connect them, whatever they share out (`placed_model`).

    Under `torchrun`, the processes are those that it started, on one machine or several. Otherwise `config.devices`
    processes are started on this machine when the Fabric is launched.

    On a device without instructions for bfloat16, "bf16-mixed" becomes fp32, with a `VLPRVOSWarning`.

    Args:
        config: configuration of the run.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps"; with a number, the run uses that GPU alone.

    Raises:
        UserError: an unknown name, a device that is not available, more processes than GPUs, a number of
            processes that is not that of `torchrun`, or a version of PyTorch that cannot share out the parameters.
    """
    found = find_device(device)
    processes, machines = _processes_and_machines(config.devices)
    if found.index is not None and processes * machines > 1:
        raise UserError(f"device {device!r} is one GPU, but {processes * machines} processes train; use --device cuda")
    if found.type == "cuda" and processes > torch.cuda.device_count():
        raise UserError(f"{processes} processes need a GPU each, but this machine has {torch.cuda.device_count()}")
    if config.distributed == "fsdp" and processes * machines > 1 and not _can_share_out():
        raise UserError(f"distributed=fsdp needs PyTorch 2.7, but this is {torch.__version__}; use distributed=ddp")
    is_mixed = config.precision == "bf16-mixed"
    if is_mixed and not multiplies(torch.bfloat16, found):
        message = f"precision 'bf16-mixed': {found} has no instructions for bfloat16, so the run computes in fp32"
        warnings.warn(VLPRVOSWarning(message), stacklevel=2)
        is_mixed = False
    # It reports the number format, which the configuration states.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    logging.getLogger(CHILD_OBSERVER).setLevel(logging.INFO)
    return Fabric(
        accelerator=found.type,
        devices=processes if found.index is None else [found.index],
        num_nodes=machines,
        strategy="ddp" if processes * machines > 1 else "auto",
        precision="bf16-mixed" if is_mixed else "32-true",
    )


def launch(fabric: Fabric) -> None:
    """Start and connect the processes of a run, from `make_fabric`.

    Each process leaves the group when its interpreter ends. Otherwise PyTorch's threads for gloo abort the process now
    and then (pytorch/pytorch#190489); Fabric itself only sees to those for NCCL.
    """
    fabric.launch()
    if fabric.world_size > 1:
        atexit.register(_leave_group)


def _leave_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _can_share_out() -> bool:
    """Whether PyTorch can share out a model that has scalars among its parameters."""
    try:
        from torch.distributed.fsdp import fully_shard
    except ImportError:
        return False
    return "ignored_params" in signature(fully_shard).parameters


def _processes_and_machines(devices: int) -> tuple[int, int]:
    """How many processes train on this machine, and how many machines there are."""
    if not torch.distributed.is_available() or not torch.distributed.is_torchelastic_launched():
        return devices, 1
    here, all_processes = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    if devices not in (1, here):
        raise UserError(f"devices={devices}, but torchrun started {here} processes here; leave devices out")
    if all_processes % here:
        raise UserError(f"{here} of {all_processes} processes are on this machine; start the same number on each")
    return here, all_processes // here


def average_counts(fabric: Fabric, counts: Tensor) -> Tensor:
    """(C,) float32 mean over the processes of integers of each, on the device of the run."""
    mean = counts.to(fabric.device, torch.float32, copy=True)
    if fabric.world_size > 1:
        fabric.all_reduce(mean, reduce_op="mean")
    return mean


def clip_factors(supervised: Tensor, mean: Tensor) -> Tensor:
    """Factors on the losses of this process, which make their mean over the processes that over all supervised frames.

    The loss of a clip is a mean over supervised frames, and processes differ in how many they have: their videos have
    different numbers of expressions.

    Args:
        supervised: (C,) number of supervised frames, over all expressions, in each of the C clips of this process.
        mean: (C,) its mean over the processes, from `average_counts`.

    Returns:
        (C,) float32 factors on the clips' losses, 0 for clips without a supervised frame. Where one process trains,
        the others are 1.
    """
    return torch.where(mean > 0, supervised.to(mean) / mean, 0.0)


def average_gradients(fabric: Fabric, parameters: list[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes.

    A parameter that a process did not use counts there as a gradient of 0. One that no process used has no gradient
    afterwards either, so that the optimizer leaves it alone as in a run of one process.
    """
    if fabric.world_size == 1:
        return
    used = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=parameters[0].device)
    gradients = [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parameters]
    flat = torch.cat([*gradients, used])
    fabric.all_reduce(flat, reduce_op="mean")
    *means, use = torch.split(flat, [*(p.numel() for p in parameters), len(parameters)])
    for parameter, gradient, share in zip(parameters, means, use.tolist(), strict=True):
        parameter.grad = gradient.view_as(parameter) if share > 0 else None


@contextmanager
def lost_process_as_error(fabric: Fabric) -> Iterator[None]:
    """Raise one clear error where the block cannot go on because another process of the run has ended.

    Raises:
        VLPRVOSError: another process has ended.
    """
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, torch.distributed.DistError) or "gloo" in str(error) or "NCCL" in str(error)
        if fabric.world_size == 1 or not lost:
            raise
        raise VLPRVOSError(
            f"process {fabric.global_rank} of {fabric.world_size} lost contact with another one, which has ended; "
            "continue from the last checkpoint with the same command and --resume"
        ) from error
