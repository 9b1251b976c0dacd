"""Builds modules that are filled from a file, without drawing random numbers for them first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["PlaceholderWeights"]

#: What fills a tensor, its first argument, with random numbers.
RANDOM = {Tensor.uniform_, Tensor.normal_, nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_}


class PlaceholderWeights(TorchFunctionMode):
    """A context in which modules are built with zeros where PyTorch would draw random numbers.

    For modules all of whose parameters are loaded afterwards. Drawing the numbers took a quarter of the time of loading
    `mini`. Zeros, unlike memory that nothing has written, also end the loop of `torch.nn.init.trunc_normal_`, which
    draws until all numbers lie within its bounds. The meta device (`pretrained_files.build_empty`) needs no memory, but
    PyTorch then imports what takes longer than drawing the numbers of a small model.

    Example:
        >>> from torch import nn
        >>> with PlaceholderWeights():
        ...     layer = nn.Linear(2, 3)
        >>> int(layer.weight.abs().sum())
        0
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in RANDOM:
            with torch.no_grad():
                return (args[0] if args else (kwargs or {})["tensor"]).zero_()
        return func(*args, **(kwargs or {}))
