"""Where the parameters of a model in training lie: whole in every process, or shared out between the processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.distributed import average_gradients
from vlp_rvos.training.optimization import make_optimizer
from vlp_rvos.training.train_config import TrainConfig
from vlp_rvos.training.weight_ema import WeightEMA

__all__ = ["Placement", "WholePlacement"]


class Placement(ABC):
    """A model in training, the part of it that this process updates, and how that part comes together with the others.

    All processes call all methods in the same order.

    Attributes:
        model: the model to run, in training mode. Every process runs it equally often.
        fabric: devices and processes.
        optimizer: optimizer of this process's part.
    """

    model: VLPRVOS
    fabric: Fabric
    optimizer: torch.optim.Optimizer

    @abstractmethod
    def zero_gradients(self) -> None:
        """Forget all gradients."""

    @abstractmethod
    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to those that are there. All processes do, or none."""

    @abstractmethod
    def average_gradients(self) -> None:
        """Replace every gradient by its mean over all processes, after the last `backward` of a step.

        A parameter that no process used has no gradient afterwards.
        """

    @abstractmethod
    def clip_gradients(self, largest: float) -> Tensor:
        """Scale all gradients down together where their norm is above a limit; returns the norm before, a scalar."""

    @abstractmethod
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Copy the tensors of a whole `VLPRVOS.trained_state_dict` into the model.

        Raises:
            UserError: the keys or shapes are not this model's.
        """

    @abstractmethod
    def joined(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The whole tensors of which each process has a part, by the names of the trained parameters."""

    @abstractmethod
    def parts(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """This process's parts of whole tensors, by the names of the trained parameters."""

    @abstractmethod
    def optimizer_state(self) -> dict[str, Any]:
        """The state of the optimizer, as one process alone would have it."""

    @abstractmethod
    def load_optimizer(self, state: Mapping[str, Any]) -> None:
        """Restore what `optimizer_state` returned, with any number of processes."""

    @abstractmethod
    @contextmanager
    def validated(self, ema: WeightEMA | None) -> Iterator[VLPRVOS | None]:
        """The whole model with the averaged tensors, on its device, in the first process; other processes get None."""

    def shipped(self, ema: WeightEMA | None) -> dict[str, Tensor]:
        """The whole trained tensors that are used after training: the averaged ones where there are any."""
        return self.joined(self.model.trained_state_dict() if ema is None else ema.state)


class WholePlacement(Placement):
    """Every process has the whole model, and their gradients are averaged once a step.

    Args:
        model: the model; it is moved to the device.
        fabric: devices and processes.
        config: configuration of the run.
    """

    def __init__(self, model: VLPRVOS, fabric: Fabric, config: TrainConfig) -> None:
        self.model, self.fabric = model.to(fabric.device).train(), fabric
        self.optimizer = make_optimizer(self.model, config)
        self._parameters: list[nn.Parameter] = list(self.model.trained_parameters())

    def zero_gradients(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        self.fabric.backward(loss)

    def average_gradients(self) -> None:
        average_gradients(self.fabric, self._parameters)

    def clip_gradients(self, largest: float) -> Tensor:
        return nn.utils.clip_grad_norm_(self._parameters, largest)

    def load(self, state: Mapping[str, Tensor]) -> None:
        self.model.load_trained(state)

    def joined(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(state)

    def parts(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(state)

    def optimizer_state(self) -> dict[str, Any]:
        return self.optimizer.state_dict()

    def load_optimizer(self, state: Mapping[str, Any]) -> None:
        self.optimizer.load_state_dict(dict(state))

    @contextmanager
    def validated(self, ema: WeightEMA | None) -> Iterator[VLPRVOS | None]:
        if not self.fabric.is_global_zero:
            yield None
        elif ema is None:
            yield self.model
        else:
            with ema.applied():
                yield self.model
