"""Counts the floating point operations and the memory traffic of a model, without running it and on any machine.

The model lies on PyTorch's meta device, where tensors have shapes but no values. A FLOP is one addition or
multiplication, so a multiply-add is 2. FLOPs are counted for matrix products, convolutions and attention, by the
formulas of `torch.utils.flop_counter`. Bytes are the sizes of all tensors that an operation reads and writes. Views are
free, nothing is assumed to stay in a cache between two operations, and attention maps are never written to memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from vlp_rvos.models.backbones import random_backbone
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS

__all__ = ["PART_TITLES", "Cost", "MetaModel", "count_costs"]

#: part of a model, as in `MetaModel.clip` -> its title in tables; a model without candidates has no "proposals" and no
#: "choice"
PART_TITLES = {
    "text": "words, once for a video",
    "tower": "bare frozen vision tower",
    "encoder": "prompts, capture and reference guidance on top of the tower",
    "motion": "motion of the patches",
    "fusion": "vision-language fusion",
    "reasoning": "spatial-temporal reasoning",
    "mask_head": "mask head",
    "proposals": "candidates without words: detector, proposals, descriptions",
    "choice": "choice among the candidates, redrawing of what is chosen, agreement with the dense mask",
    "rest": "presence, normalisation, history",
}


@dataclass(frozen=True)
class Cost:
    """What an operation, or a sum of operations, costs.

    Attributes:
        flops: number of floating point operations.
        bytes: number of bytes read and written.
    """

    flops: int = 0
    bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.flops - other.flops, self.bytes - other.bytes)

    def __mul__(self, factor: int) -> Cost:
        return Cost(self.flops * factor, self.bytes * factor)


class _OperationCounter(TorchDispatchMode):
    """Adds up the cost of every operation, under the name that `part` has at the time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.part = "rest"
        self.paused = False
        self.costs: dict[str, Cost] = {}

    def add(self, cost: Cost) -> None:
        self.costs[self.part] = self.costs.get(self.part, Cost()) + cost

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not self.paused:
            formula = flop_registry.get(func.overloadpacket)
            flops = 0 if formula is None else formula(*args, **(kwargs or {}), out_val=out)
            self.add(Cost(flops, 0 if func.is_view else _bytes(args, kwargs, out)))
        return out


class _AttentionCounter(TorchFunctionMode):
    """Counts an attention as one operation, as on real devices. The meta device would split it into several."""

    def __init__(self, operations: _OperationCounter) -> None:
        super().__init__()
        self.operations = operations

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        q, k, v = args[:3]
        self.operations.paused = True
        out = func(*args, **(kwargs or {}))
        self.operations.paused = False
        pairs = out.shape[:-1].numel() * k.shape[-2]
        self.operations.add(Cost(2 * pairs * (q.shape[-1] + v.shape[-1]), _bytes(args, kwargs, out)))
        return out


def _bytes(*values: object) -> int:
    return sum(x.numel() * x.element_size() for x in tree_leaves(values) if isinstance(x, Tensor))


@contextmanager
def count_costs(parts: Mapping[str, nn.Module] | None = None) -> Iterator[dict[str, Cost]]:
    """Count the operations of the block.

    Args:
        parts: name -> module whose calls are counted under this name. Everything else counts as "rest".

    Yields:
        Name -> cost, which fills up while the block runs.
    """
    operations = _OperationCounter()
    hooks = []
    for name, module in (parts or {}).items():

        def enter(*_: object, name: str = name) -> None:
            operations.part = name

        def leave(*_: object) -> None:
            operations.part = "rest"

        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        with torch.no_grad(), _AttentionCounter(operations), operations:
            yield operations.costs
    finally:
        for hook in hooks:
            hook.remove()


class MetaModel:
    """A model on the meta device, without values in its weights, that counts what a clip costs.

    Args:
        name: name of a model preset.

    Raises:
        UserError: an unknown model.

    Attributes:
        weights: number of parameters, frozen ones included.
    """

    def __init__(self, name: str) -> None:
        self.name, self.config = name, ModelConfig.preset(name)
        # No random numbers are drawn there, so that even a large model is made at once.
        with torch.device("meta"):
            self.model = VLPRVOS(random_backbone(name), self.config).eval()
        self.weights = sum(p.numel() for p in self.model.parameters())

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the network input for a 16:9 video, in pixels."""
        return self.config.frame_size(9, 16, self.model.backbone.size_multiple)

    def clip(
        self, frames: int | None = None, size: tuple[int, int] | None = None, expressions: int = 1
    ) -> dict[str, Cost]:
        """Cost of one clip with history in float32.

        Args:
            frames: number of frames; None for the preset's.
            size: (H, W) of the network input in pixels; None for `size`.
            expressions: number of expressions about the clip.

        Returns:
            Part of the model -> cost, see `PART_TITLES`. Of candidates, the largest number is counted, as if no two
            proposals repeated each other.
        """
        length, (height, width) = frames or self.config.clip_length, size or self.size
        backbone = self.model.backbone
        words = backbone.tokenize(["the dog that jumps over the fence"] * expressions).to("meta")
        with count_costs() as costs:
            text = self.model.encode_text(words)
        found = {"text": sum(costs.values(), Cost())}
        images = torch.empty(length, 3, height, width, device="meta")
        with count_costs() as costs:
            backbone.encode_image(images, self.config.patch_pool)
        found["tower"] = sum(costs.values(), Cost())
        with count_costs() as costs:
            embedded = self.model.encoder.embed(backbone, images[None])
        embedding = sum(costs.values(), Cost())
        history = torch.empty(expressions, length, self.config.width, device="meta")
        video_of = torch.zeros(expressions, dtype=torch.int64, device="meta")
        names = ("encoder", "motion", "fusion", "reasoning", "mask_head")
        parts = {name: part for name in names if (part := getattr(self.model, name)) is not None}
        path = self.model.candidate_path
        if path is not None and embedded.named is not None:
            with count_costs() as costs:
                path.propose(images[None], embedded.pyramid, embedded.named)
                path.surroundings(images[None], embedded.pyramid)
            found["proposals"] = sum(costs.values(), Cost())
            parts |= {"choice": path.choice, "agreement": path.agreement}
            parts |= {} if path.refinement is None else {"refinement": path.refinement}
        with count_costs(parts) as costs:
            self.model(images[None], text, history, video_of)
        if path is not None:
            costs["choice"] += costs.pop("agreement") + costs.pop("refinement", Cost())
        # These are computed outside of the calls of any part, so their cost was counted as "rest".
        rest = costs["rest"] - embedding - found.get("proposals", Cost())
        return {**found, **costs, "encoder": costs["encoder"] + embedding - found["tower"], "rest": rest}

    def per_clip(self, **setting: Any) -> Cost:
        """Cost of one clip without the words, which are encoded once for a video; arguments as for `clip`."""
        return sum((cost for part, cost in self.clip(**setting).items() if part != "text"), Cost())
