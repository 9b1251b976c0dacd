"""Copies of a model in which parts can be exchanged."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

__all__ = ["copy_module_tree"]

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def copy_module_tree(module: AnyModule) -> AnyModule:
    """New modules around the same tensors: parts of the copy can be exchanged without changing `module`."""
    twin = copy.copy(module)
    twin._parameters, twin._buffers = dict(module._parameters), dict(module._buffers)
    twin._modules = {
        name: None if child is None else copy_module_tree(child) for name, child in module._modules.items()
    }
    return twin
