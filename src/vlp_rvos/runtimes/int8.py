"""8-bit integers in the large matrix products of a model that only predicts, on the CPU.

Weights are rounded once, each output channel with a scale of its own; activations while they come, each token with a
scale of its own. Left as they are: attention, norms, the text tower (it runs once for a video), the mask head, and the
few tokens that use slices of a layer's weights (`Block.project_q`, `Block.project_kv`, `TemporalCapture`). Shapes: M
tokens, K input and N output channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.module_copy import copy_module_tree
from vlp_rvos.models.vlp_rvos import VLPRVOS

__all__ = ["QuantizedLinear", "check_kernel", "companion_dtype", "quantized"]

LARGEST_WEIGHT, LARGEST_ACTIVATION, ZERO = 127, 127, 128
#: below this a token counts as zero; its scale would leave the range of normal numbers
SMALLEST = 1e-12


class QuantizedLinear(nn.Module):
    """A linear layer in 8-bit integers.

    The kernel wants unsigned activations, so 0 is stored as 128; with a scale for every token instead of one for all,
    one token of unusual size does not cost the others their precision.

    Args:
        linear: the layer; its tensors are kept, not copied, for those who use slices of them.

    Attributes:
        weight, bias: the original ones.
    """

    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        weight = linear.weight.detach().float()
        scales = (weight.abs().amax(1) / LARGEST_WEIGHT).clamp_min(SMALLEST)
        integers = (weight / scales[:, None]).round().to(torch.int8)
        # Opaque to PyTorch, so neither parameter nor buffer.
        self._packed = torch.ops.onednn.qlinear_prepack(integers, None)
        self._scales, self._zeros = scales, torch.zeros(len(scales), dtype=torch.int32)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N), in the number format that `nn.Linear` would give."""
        tokens = x.flatten(0, -2)
        scales = (tokens.abs().amax(1, keepdim=True).float() / LARGEST_ACTIVATION).clamp_min(SMALLEST)
        # The conversion cuts decimals off: with the half it rounds.
        integers = (tokens * scales.reciprocal()).add_(ZERO + 0.5).to(torch.uint8)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        products: Tensor = torch.ops.onednn.qlinear_pointwise(
            integers, 1.0, ZERO, self._packed, self._scales, self._zeros, None, 1.0, 0, dtype, "none", [], ""
        )
        # In place: a second result of this size would be filled for nothing.
        if self.bias is None:
            products.mul_(scales.to(dtype))
        else:
            torch.addcmul(self.bias.to(dtype), products, scales.to(dtype), out=products)
        return products.view(*x.shape[:-1], -1)


def quantized(model: VLPRVOS) -> VLPRVOS:
    """A copy for the CPU whose vision tower and reasoning blocks compute in 8-bit integers; `model` is not changed.

    Raises:
        UserError: there is no kernel for it here.
    """
    check_kernel()
    twin = copy_module_tree(model)
    for part in (twin.backbone.vision_blocks, twin.reasoning):
        _exchange(part)
    return twin


def check_kernel() -> None:
    """Raise a `UserError` where this torch or this processor does not multiply 8-bit integers exactly.

    Processors without VNNI add two products in 16 bits, which overflow; what is probed here is just that.
    """
    ones = nn.utils.skip_init(nn.Linear, 64, 16, bias=False)
    nn.init.ones_(ones.weight)
    try:
        result = QuantizedLinear(ones)(torch.ones(2, 64))
        exact = bool(((result - 64).abs() < 0.1).all())
    except (AttributeError, RuntimeError, TypeError):
        exact = False
    if not exact:
        raise UserError(
            f"precision 'int8': torch {torch.__version__} has no exact 8-bit products on this processor; use fp32"
        )


def companion_dtype() -> torch.dtype:
    """What is not in 8-bit integers: bfloat16 where the processor multiplies it, otherwise float32."""
    known = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return torch.bfloat16 if any(supported and supported() for supported in known) else torch.float32


def _exchange(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, QuantizedLinear(child))
        else:
            _exchange(child)
