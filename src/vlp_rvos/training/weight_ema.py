"""The exponential moving average (EMA) of the trained weights: what is validated and shipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from vlp_rvos.models.vlp_rvos import VLPRVOS

__all__ = ["WeightEMA", "mean_weights", "own_part"]


def own_part(tensor: Tensor) -> Tensor:
    """The part of a tensor that lies in this process, in the same memory; all of it where nothing is shared out."""
    # Whoever shares nothing out need not import the class of such tensors.
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


class WeightEMA:
    """Exponential moving average of a model's trained tensors.

    Where the model is shared out between processes, each averages its parts.

    The decay grows from 0.1 to its full value over the first steps, so that the initial weights are forgotten soon.

    Args:
        model: model whose trained tensors are averaged.
        decay: share of the old average that an update keeps, from 0 to 1.
        parts: beginnings of the names of the tensors that are averaged; by default all are.
    """

    def __init__(self, model: VLPRVOS, decay: float, parts: tuple[str, ...] = ("",)) -> None:
        self.model, self.decay, self.parts, self.updates = model, decay, parts, 0
        self.state = {name: tensor.clone() for name, tensor in self.tensors().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Include the model's current tensors in the average."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, tensor in self.tensors().items():
            self.state[name].lerp_(tensor, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give a model that lies whole here the averaged tensors while the block runs, and its own back afterwards."""
        own = {name: tensor.clone() for name, tensor in self.model.trained_state_dict().items()}
        self.model.load_trained({**own, **self.state})
        try:
            yield
        finally:
            self.model.load_trained(own)

    def replace(self) -> None:
        """Let the model's current tensors take the place of the average."""
        for name, tensor in self.tensors().items():
            self.state[name].copy_(tensor)

    def state_dict(self) -> dict[str, Any]:
        """The average and the number of updates, for `load_state_dict`."""
        return {"updates": self.updates, "state": self.state}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.updates = saved["updates"]
        for name, tensor in self.state.items():
            tensor.copy_(saved["state"][name])

    def tensors(self) -> dict[str, Tensor]:
        """The model's own tensors of those that are averaged, in the model's memory, as far as they lie here."""
        tensors = self.model.trained_state_dict().items()
        return {name: own_part(tensor) for name, tensor in tensors if name.startswith(self.parts)}


def mean_weights(
    states: Sequence[Mapping[str, Tensor]], start: Mapping[str, Tensor], start_share: float = 0.0
) -> dict[str, Tensor]:
    """The mean of trained parameters, by their names.

    Args:
        states: what several trainings came to.
        start: what they began with, with the same names.
        start_share: share of `start` in the mean.
    """
    means = {name: torch.stack([state[name].float() for state in states]).mean(0) for name in start}
    return {name: mean.lerp(start[name].float(), start_share).to(start[name]) for name, mean in means.items()}
