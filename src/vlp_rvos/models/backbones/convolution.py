"""Convolutions that a CPU computes with less memory traffic in inference mode.

Before each convolution oneDNN rearranges the weights for the processor's vector registers, in an order that depends on
the size of the maps. Here they stay so. A ReLU6 is computed on the way to memory: reading and writing a map that does
not fit into the processor's caches takes as long as a small convolution.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Convolution", "Smooth"]

#: Number formats in which oneDNN computes.
FORMATS = (torch.float32, torch.bfloat16)
#: Number of sizes of maps for which weights are kept. A video has one, or two where small things are seen larger.
SIZES = 3
#: Name of the operator's activation, and its parameters.
PLAIN: tuple[str, list[float]] = ("none", [])
RELU6: tuple[str, list[float]] = ("hardtanh", [0.0, 6.0])
#: Largest number of groups of a GroupNorm.
GROUPS = 8


class Convolution(nn.Conv2d):
    """`nn.Conv2d` with the same results, in less time on a CPU in inference mode (`torch.inference_mode`).

    Weights may change between two calls. What is kept of them is neither saved nor copied with the module.

    Args:
        inputs: number of channels that it reads.
        outputs: number of channels that it makes.
        kernel: side of the kernel.
        stride: distance between two positions.
        padding: number of zeros at each side.
        groups: number of groups of channels.
        bias: whether a bias is added.
        clamped: whether a ReLU6 follows.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        *,
        groups: int = 1,
        bias: bool = True,
        clamped: bool = False,
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=bias)
        self.clamped = clamped
        self._arranged: dict[tuple[object, ...], Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_arranged": {}}

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.padding, tuple)
        return self.convolve(x, self.padding)

    def convolve(self, x: Tensor, padding: tuple[int, ...], before: tuple[int, int] = (0, 0)) -> Tensor:
        """Convolve maps (N, C, h, w).

        Args:
            x: the maps.
            padding: number of zeros above and below, and at the left and the right.
            before: number of rows and columns of zeros that are put before the kernel, which make it larger.
        """
        dtype = _arranged_format(x)
        if dtype is None:
            y = F.conv2d(x, self._enlarged(before), self.bias, self.stride, padding, self.dilation, self.groups)
            return F.relu6(y, inplace=True) if self.clamped else y
        weight, bias = self._arrange(x, dtype, padding, before), None if self.bias is None else self.bias.to(dtype)
        activation, bounds = RELU6 if self.clamped else PLAIN
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x.to(dtype), weight, bias, padding, self.stride, self.dilation, self.groups, activation, bounds, ""
        )
        return result

    def _enlarged(self, before: tuple[int, int]) -> Tensor:
        return F.pad(self.weight, (before[1], 0, before[0], 0)) if any(before) else self.weight

    def _arrange(self, x: Tensor, dtype: torch.dtype, padding: tuple[int, ...], before: tuple[int, int]) -> Tensor:
        """The weights in the processor's order for maps of the size of `x`."""
        # Inference tensors, of which a model may be made, count no versions, because they are not to be changed.
        version = 0 if self.weight.is_inference() else self.weight._version
        state, size = (self.weight.data_ptr(), version), (x.shape[-2:], dtype)
        kept = self._arranged
        if (found := kept.get((state, size))) is not None:
            return found
        weight: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            self._enlarged(before).detach().to(dtype), padding, self.stride, self.dilation, self.groups, list(x.shape)
        )
        valid = [item for item in kept.items() if item[0][0] == state]
        # Another dictionary, because other threads may be reading this one.
        self._arranged = dict([*valid[1 - SIZES :], ((state, size), weight)])
        return weight


class Smooth(nn.Sequential):
    """Convolution with a square kernel, GroupNorm, ReLU.

    Args:
        inputs: number of channels that it reads.
        outputs: number of channels that it makes.
        size: side of the kernel.
    """

    def __init__(self, inputs: int, outputs: int, size: int = 3) -> None:
        super().__init__(
            Convolution(inputs, outputs, size, padding=size // 2, bias=False),
            nn.GroupNorm(math.gcd(GROUPS, outputs), outputs),
            nn.ReLU(inplace=True),
        )


def _arranged_format(x: Tensor) -> torch.dtype | None:
    """The number format to compute in with arranged weights; None where PyTorch's own convolution is to be called.

    The operators have no gradients, and neither an exported graph nor another device knows them. They are no public
    part of PyTorch, so a release may come without them. Without gradients is not enough: during a training that shares
    parameters out among processes, they change without a trace while it validates.
    """
    if x.device.type != "cpu" or not torch.is_inference_mode_enabled() or torch.compiler.is_compiling():
        return None
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    return dtype if dtype in _formats_here() else None


@lru_cache(maxsize=1)
def _formats_here() -> frozenset[torch.dtype]:
    """Those of `FORMATS` in which the operators compute here: they refuse bfloat16 on many processors, and may lack."""
    return frozenset(dtype for dtype in FORMATS if _computes(dtype))


def _computes(dtype: torch.dtype) -> bool:
    """Whether the operators convolve a map of one position."""
    one = torch.ones(1, 1, 1, 1, dtype=dtype)
    try:
        weight = torch.ops.mkldnn._reorder_convolution_weight(one, (0, 0), (1, 1), (1, 1), 1, [1, 1, 1, 1])
        result = torch.ops.mkldnn._convolution_pointwise(one, weight, None, (0, 0), (1, 1), (1, 1), 1, *PLAIN, "")
    except (AttributeError, RuntimeError):
        return False
    return bool(result.item() == 1)
