"""Parameter groups, the average of the trained parameters, and gradients of several processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from vlp_rvos.models.prompts import PromptModule
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.train_config import TrainConfig

__all__ = ["Average", "average_gradients", "make_optimizer", "set_learning_rates"]

DECAYED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MultiheadAttention)


def make_optimizer(model: VLPRVOS, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over what is trained: prompts, backbone and other layers apart, weight decay on matrices of layers only.

    Each group carries `base_lr`, which `set_learning_rates` scales.
    """
    prompts: set[nn.Parameter] = set()
    decayed: set[nn.Parameter] = set()
    for module in model.modules():
        if isinstance(module, PromptModule):
            prompts.update(module.parameters())
        if isinstance(module, DECAYED):
            decayed.update(p for p in module.parameters(recurse=False) if p.ndim > 1)
    backbone = set(model.backbone.parameters())
    rates = (config.lr_new, config.lr, config.lr_backbone)
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for parameter in model.trained_parameters():
        kind = 1 if parameter in prompts else 2 if parameter in backbone else 0
        groups.setdefault((kind, parameter in decayed), []).append(parameter)
    described: list[dict[str, Any]] = [
        {
            "params": parameters,
            "lr": rates[kind],
            "base_lr": rates[kind],
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (kind, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]
    on = next(model.trained_parameters()).device.type
    return torch.optim.AdamW(described, fused=on in ("cpu", "cuda"))


def set_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scale each group's base rate."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["base_lr"]


def average_gradients(fabric: Fabric, parameters: list[nn.Parameter]) -> None:
    """Replace gradients by their mean over all processes; a parameter that one of them did not use counts as zero."""
    if fabric.world_size == 1:
        return
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parameters])
    fabric.all_reduce(flat, reduce_op="mean")
    for parameter, gradient in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
        parameter.grad = gradient.view_as(parameter)


class Average:
    """Exponential moving average of the trained tensors.

    The decay grows from 0.1 to its full value, so that the first steps do not hold the start forever.

    Args:
        model: whose tensors are averaged.
        decay: share of the old average that a step keeps, 0 to 1.
    """

    def __init__(self, model: VLPRVOS, decay: float) -> None:
        self.model, self.decay, self.updates = model, decay, 0
        self.state = {name: tensor.clone() for name, tensor in model.trained_state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the model's current tensors."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, tensor in self.model.trained_state_dict().items():
            self.state[name].lerp_(tensor, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model holds the average; afterwards its own tensors again."""
        own = {name: tensor.clone() for name, tensor in self.model.trained_state_dict().items()}
        self.model.load_trained(self.state)
        try:
            yield
        finally:
            self.model.load_trained(own)

    def state_dict(self) -> dict[str, Any]:
        """For `load_state_dict`."""
        return {"updates": self.updates, "state": self.state}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self.updates = saved["updates"]
        for name, tensor in self.state.items():
            tensor.copy_(saved["state"][name])
