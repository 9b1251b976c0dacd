"""Copy a model so that parts of the copy can be replaced."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

__all__ = ["copy_module_tree"]

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def copy_module_tree(module: AnyModule) -> AnyModule:
    """Copy a module and all modules inside it; parameters and buffers are shared, not copied.

    Modules of the copy can be replaced without changing the original.
    """
    twin = copy.copy(module)
    twin._parameters, twin._buffers = dict(module._parameters), dict(module._buffers)
    twin._modules = {
        name: None if child is None else copy_module_tree(child) for name, child in module._modules.items()
    }
    return twin
