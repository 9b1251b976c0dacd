"""The optimizer: which parameters share a learning rate and a weight decay (`docs/method.md` section 5)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from vlp_rvos.models.prompts import PromptModule
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.train_config import TrainConfig

__all__ = ["make_optimizer", "set_learning_rates"]

#: layers whose matrices decay
DECAYED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MultiheadAttention)


def make_optimizer(model: VLPRVOS, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over the trained parameters.

    Prompts, layers of the backbone and all other layers have a learning rate each. Only the matrices of linear and
    convolution layers decay: no biases, norms, prompt tokens or position tables.

    Each group carries its rate as `base_lr`, which `set_learning_rates` scales.
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
    """Set the learning rate of every group to `factor` times its `base_lr`."""
    for group in optimizer.param_groups:
        group["lr"] = factor * group["base_lr"]
