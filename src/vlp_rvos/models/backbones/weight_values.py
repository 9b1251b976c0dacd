"""Refuse weights that no training gives: of another type than real numbers, NaN or infinite."""

from __future__ import annotations

import torch
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.utils.plain_text import escape_unprintable, shorten

__all__ = ["as_weights"]


def as_weights(tensor: Tensor, name: str, origin: str) -> Tensor:
    """A tensor of a file as weights, in float32.

    Args:
        tensor: The tensor.
        name: Its name in the file, which the error gives.
        origin: File or folder that the error names.

    Raises:
        UserError: The tensor is of a boolean, integer or complex type, or holds NaN or infinite numbers.
    """
    if not tensor.is_floating_point():
        raise _error(origin, name, f"is of type {str(tensor.dtype).removeprefix('torch.')}, not of real numbers")
    weights = tensor.to(torch.float32)
    # A sum takes a pass without a copy. Only a sum that is not finite leaves open whether the numbers are.
    if not torch.isfinite(weights.sum()) and not torch.isfinite(weights).all():
        wrong = int((~torch.isfinite(weights)).sum())
        raise _error(origin, name, f"holds NaN or infinite numbers ({wrong} of {weights.numel()})")
    return weights


def _error(origin: str, name: str, fault: str) -> UserError:
    shown = shorten(escape_unprintable(name), 200)
    return UserError(f"{origin}: the tensor {shown} {fault}; download or train the weights again")
