"""A model whose parameters are shared out between the processes of a run (FSDP), by PyTorch's `fully_shard`.

Between two steps a process holds a part of every parameter, along its first dimension, and of its average, its gradient
and its state of the optimizer. While the model runs, a process has one layer of the towers of the backbone after the
other, and everything else: what the method adds to the backbone is small and is used all the time. Scalars, which
`fully_shard` does not take, lie whole in every process.

The optimizer sees the parts as plain tensors, so it computes as it does in one process.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from vlp_rvos.models.backbones import Block
from vlp_rvos.models.checkpoint import backbone_fingerprint
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.distributed import average_gradients
from vlp_rvos.training.optimization import make_optimizer
from vlp_rvos.training.placement import Placement
from vlp_rvos.training.train_config import TrainConfig
from vlp_rvos.training.weight_ema import WeightEMA, own_part

__all__ = ["ShardedPlacement"]


class ShardedPlacement(Placement):
    """Every process has a part of the model.

    In the first process a whole model stays on the CPU, for validation and for the stages that follow.

    Args:
        model: the model on the CPU. In the first process it stays as it is; in the others it is shared out.
        fabric: devices and processes.
        config: configuration of the run.
    """

    def __init__(self, model: VLPRVOS, fabric: Fabric, config: TrainConfig) -> None:
        self.fabric = fabric
        self.whole = model if fabric.is_global_zero else None
        self.model = copy.deepcopy(model) if fabric.is_global_zero else model
        # It is kept for the backbone, and cannot be computed from parts.
        backbone_fingerprint(self.model.backbone)
        _share_out(self.model, fabric)
        self.model.train()
        self.optimizer = make_optimizer(self.model, config)
        #: name -> parameter, as it is while the model is shared out
        self._placed = dict(self.model.named_trained_parameters())
        self._scalars = [p for p in self._placed.values() if not isinstance(p, DTensor)]
        #: parameter -> what the optimizer has of it
        self._own = {p: nn.Parameter(own_part(p.detach())) if isinstance(p, DTensor) else p for p in self._all()}
        for group in self.optimizer.param_groups:
            group["params"] = [self._own[p] for p in group["params"]]

    def _all(self) -> list[nn.Parameter]:
        return list(self._placed.values())

    def zero_gradients(self) -> None:
        for parameter in (*self._all(), *self._own.values()):
            parameter.grad = None

    def backward(self, loss: Tensor) -> None:
        # The processes have to send the same gradients. What a term of the loss leaves out in one of them may be used
        # in another, so there it gets a gradient of 0.
        gathered = [p for p in self.model.trained_parameters() if p.ndim and not isinstance(p, DTensor)]
        known = _leaves(loss)
        used = torch.tensor([id(p) in known for p in gathered], dtype=torch.float32, device=self.fabric.device)
        anywhere = used.clone()
        self.fabric.all_reduce(anywhere, reduce_op="mean")
        for place in ((anywhere > 0) & (used == 0)).nonzero()[:, 0].tolist():
            loss = loss + gathered[place].reshape(-1)[:0].sum()
        self.fabric.backward(loss)

    def average_gradients(self) -> None:
        # After a clip without a gradient the parameters are still together.
        _reshard(self.model)
        average_gradients(self.fabric, self._scalars)
        for parameter, own in self._own.items():
            if own is not parameter:
                # The first run of the model may have moved the parts.
                own.data = own_part(parameter.detach())
                own.grad = None if parameter.grad is None else own_part(parameter.grad)

    def clip_gradients(self, largest: float) -> Tensor:
        apart = [own.grad for p, own in self._own.items() if own is not p and own.grad is not None]
        alike = [p.grad for p in self._scalars if p.grad is not None]
        squares = self._square_sum(apart)
        self.fabric.all_reduce(squares, reduce_op="sum")
        norm = (squares + self._square_sum(alike)).sqrt()
        # As `torch.nn.utils.clip_grad_norm_` does it.
        factor = (largest / (norm + 1e-6)).clamp(max=1)
        for gradient in (*apart, *alike):
            gradient.mul_(factor)
        return norm

    def _square_sum(self, gradients: list[Tensor]) -> Tensor:
        squares = [gradient.square().sum() for gradient in gradients]
        return torch.stack(squares).sum() if squares else torch.zeros((), device=self.fabric.device)

    def load(self, state: Mapping[str, Tensor]) -> None:
        self.model.check_trained(state)
        with torch.no_grad():
            for name, part in self.parts(state).items():
                own_part(self._placed[name].detach()).copy_(part)

    def joined(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: self._join(tensor, self._placed[name]) for name, tensor in state.items()}

    def parts(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: self._part(tensor, self._placed[name]) for name, tensor in state.items()}

    def _join(self, part: Tensor, parameter: nn.Parameter) -> Tensor:
        """The whole tensor of which every process has such a part as of the parameter, on the CPU.

        Only the first process gets it; the others get an empty one.
        """
        if not isinstance(parameter, DTensor):
            return part.detach().cpu()
        placed = DTensor.from_local(
            own_part(part.detach()),
            parameter.device_mesh,
            parameter.placements,
            run_check=False,
            shape=parameter.shape,
            stride=parameter.stride(),
        )
        whole = placed.full_tensor()
        return whole.cpu() if self.fabric.is_global_zero else whole.new_empty(0)

    def _part(self, whole: Tensor, parameter: nn.Parameter) -> Tensor:
        """This process's part of a tensor of the shape of the parameter."""
        if not isinstance(parameter, DTensor):
            return whole
        # Processes have equal parts, as far as the rows go; the last ones may have fewer or none.
        chunks = whole.chunk(self.fabric.world_size)
        return chunks[self.fabric.global_rank] if self.fabric.global_rank < len(chunks) else whole[:0]

    def optimizer_state(self) -> dict[str, Any]:
        saved = self.optimizer.state_dict()
        return saved | {"state": self._map_state(saved["state"], self._join)}

    def load_optimizer(self, state: Mapping[str, Any]) -> None:
        self.optimizer.load_state_dict({**state, "state": self._map_state(state["state"], self._part)})

    def _map_state(self, state: Mapping[int, Any], change: Callable[[Tensor, nn.Parameter], Tensor]) -> dict[int, Any]:
        """The state of the optimizer, in which every tensor of the shape of a parameter is changed."""
        of_own = {own: parameter for parameter, own in self._own.items()}
        order = [of_own[own] for group in self.optimizer.param_groups for own in group["params"]]
        return {
            place: {key: change(value, order[place]) if value.ndim else value for key, value in state[place].items()}
            for place in sorted(state)
        }

    @contextmanager
    def validated(self, ema: WeightEMA | None) -> Iterator[VLPRVOS | None]:
        shipped = self.shipped(ema)
        if self.whole is None:
            yield None
            return
        self.whole.load_trained(shipped)
        try:
            yield self.whole.to(self.fabric.device)
        finally:
            self.whole.cpu()


def _share_out(model: VLPRVOS, fabric: Fabric) -> None:
    """Give every process its part of a model that all have, on its device."""
    mesh = init_device_mesh(fabric.device.type, (fabric.world_size,))
    for parameter in model.parameters():
        # A convolution may have its channels last, of which no part can be taken.
        parameter.data = parameter.data.contiguous()
        if not parameter.ndim:
            parameter.data = parameter.data.to(fabric.device)
    backbone = model.backbone
    for layer in (*backbone.vision_blocks, *backbone.text_blocks, backbone.word_embedding):
        fully_shard(layer, mesh=mesh)
        if isinstance(layer, Block):
            register_fsdp_forward_method(layer, "run")
    # Nothing changes the outputs in place.
    warnings.filterwarnings("ignore", r"FSDP2-wrapped module .* returned a view tensor", UserWarning)
    scalars = {parameter for parameter in model.parameters() if not parameter.ndim}
    fully_shard(model, mesh=mesh, reshard_after_forward=False, ignored_params=scalars)


def _reshard(model: nn.Module) -> None:
    assert isinstance(model, FSDPModule)
    model.reshard()


def _leaves(loss: Tensor) -> set[int]:
    """Ids of the parameters that a loss was computed with."""
    found: set[int] = set()
    seen: set[Node] = set()
    open_nodes = [loss.grad_fn]
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        open_nodes += [following for following, _ in node.next_functions]
    return found
