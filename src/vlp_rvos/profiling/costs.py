"""What the model costs on paper: floating point operations and bytes, counted on the meta device, where nothing runs.

A FLOP is an addition or a multiplication (a multiply-add is 2), by the formulas of `torch.utils.flop_counter`: matrix
products, convolutions and attention. Bytes are what every operation reads and writes, without views and as if nothing
stayed in a cache between two operations; an attention map is never written. Both do not depend on the machine.
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

__all__ = ["PARTS", "Cost", "PaperModel", "counted"]

PARTS = {
    "text": "words, once for a video",
    "tower": "bare frozen vision tower",
    "encoder": "prompts, capture and reference guidance on top of the tower",
    "motion": "motion of the patches",
    "fusion": "vision-language fusion",
    "reasoning": "spatial-temporal reasoning",
    "mask_head": "mask head",
    "rest": "presence, normalisation, history",
}


@dataclass(frozen=True)
class Cost:
    """FLOPs and bytes; they add."""

    flops: int = 0
    bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.flops - other.flops, self.bytes - other.bytes)

    def __mul__(self, factor: int) -> Cost:
        return Cost(self.flops * factor, self.bytes * factor)


class _Operations(TorchDispatchMode):
    """Adds up what every operation costs, under the name that `part` has at the time."""

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


class _Attention(TorchFunctionMode):
    """Counts an attention as one operation, as its kernels on real devices are; on meta it would be taken apart."""

    def __init__(self, operations: _Operations) -> None:
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
def counted(parts: Mapping[str, nn.Module] | None = None) -> Iterator[dict[str, Cost]]:
    """Count what is done inside; the dict is filled as it is done.

    Args:
        parts: modules whose calls are counted under these names. Everything else is "rest".
    """
    operations = _Operations()
    hooks = []
    for name, module in (parts or {}).items():

        def enter(*_: object, name: str = name) -> None:
            operations.part = name

        def leave(*_: object) -> None:
            operations.part = "rest"

        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        with torch.no_grad(), _Attention(operations), operations:
            yield operations.costs
    finally:
        for hook in hooks:
            hook.remove()


class PaperModel:
    """A model without weights, whose clips can be counted.

    Args:
        name: of a model preset.

    Raises:
        UserError: an unknown model.
    """

    def __init__(self, name: str) -> None:
        self.name, self.config = name, ModelConfig.preset(name)
        # Nothing is drawn there, so that even a large model is at hand at once.
        with torch.device("meta"):
            self.model = VLPRVOS(random_backbone(name), self.config).eval()
        self.weights = sum(p.numel() for p in self.model.parameters())

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the network's input for a 16:9 video."""
        return self.config.frame_size(9, 16, self.model.backbone.size_multiple)

    def clip(
        self, frames: int | None = None, size: tuple[int, int] | None = None, expressions: int = 1
    ) -> dict[str, Cost]:
        """Cost of one clip that is not a video's first, in float32.

        Args:
            frames: of the clip; the preset's by default.
            size: (h, w) of the input; see `size`.
            expressions: about the clip.
        """
        length, (height, width) = frames or self.config.clip_length, size or self.size
        backbone = self.model.backbone
        words = backbone.tokenize(["the dog that jumps over the fence"] * expressions).to("meta")
        with counted() as costs:
            text = self.model.encode_text(words)
        found = {"text": sum(costs.values(), Cost())}
        images = torch.empty(length, 3, height, width, device="meta")
        with counted() as costs:
            backbone.encode_image(images, self.config.patch_pool)
        found["tower"] = sum(costs.values(), Cost())
        with counted() as costs:
            self.model.encoder.embed(backbone, images[None])
        embedding = sum(costs.values(), Cost())
        history = torch.empty(expressions, length, self.config.width, device="meta")
        video_of = torch.zeros(expressions, dtype=torch.int64, device="meta")
        names = ("encoder", "motion", "fusion", "reasoning", "mask_head")
        parts = {name: part for name in names if (part := getattr(self.model, name)) is not None}
        with counted(parts) as costs:
            self.model(images[None], text, history, video_of)
        # The tower's begin stands outside of the encoder's own call.
        encoder, rest = costs["encoder"] + embedding - found["tower"], costs["rest"] - embedding
        return {**found, **costs, "encoder": encoder, "rest": rest}

    def per_clip(self, **setting: Any) -> Cost:
        """Cost of one clip without the words, which are encoded once for a video."""
        return sum((cost for part, cost in self.clip(**setting).items() if part != "text"), Cost())
