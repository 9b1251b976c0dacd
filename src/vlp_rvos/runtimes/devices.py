"""Choose the device that a model runs on, and check the number format that it computes in."""

from __future__ import annotations

from typing import get_args

import torch

from vlp_rvos.errors import UserError
from vlp_rvos.runtimes.names import Precision


def find_device(name: str) -> torch.device:
    """Find a device by its name.

    Args:
        name: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1" or "mps".

    Raises:
        UserError: the name is unknown, or this machine has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdecimal())):
        raise UserError(f"unknown device {name!r}: use auto, cpu, cuda, cuda:<number> or mps")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {name!r}: no CUDA GPU is available here; use --device cpu")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise UserError(f"device {name!r}: there are only {torch.cuda.device_count()} CUDA GPUs, counted from 0")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"device {name!r}: no Apple GPU is available here; use --device cpu")
    return torch.device(name)


def check_precision(precision: str, device: torch.device) -> None:
    """Check that a device can compute in a precision.

    Raises:
        UserError: the precision is unknown, or not available on the device.
    """
    if precision not in get_args(Precision):
        raise UserError(f"unknown precision {precision!r}: use {', '.join(get_args(Precision))}")
    if precision == "int8" and device.type != "cpu":
        raise UserError(f"precision 'int8' is for the CPU, this would run on {device}; use bf16, or --device cpu")
