"""8-bit integers in the large matrix products of a model, for inference on the CPU.

Weights are rounded once, with a scale for each output channel; activations are rounded as they arrive, with a scale for
each token. These parts stay as they are: attention, norms, the text tower (which runs once for a video), the mask head,
the candidate path, and the few tokens that use slices of a layer's weights (`Block.project_q`, `Block.project_kv`,
`TemporalCapture`).
Shapes: K input and N output channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.module_copy import copy_module_tree
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.runtimes.number_formats import multiplies

__all__ = ["QuantizedLinear", "check_kernel", "companion_dtype", "quantize"]

LARGEST_WEIGHT, LARGEST_ACTIVATION, ZERO = 127, 127, 128
#: Smallest scale: a smaller one would leave the range of normal floating-point numbers.
SMALLEST = 1e-12


class QuantizedLinear(nn.Module):
    """A linear layer that computes in 8-bit integers.

    The kernel takes unsigned activations, so 0 is stored as 128. Each token has a scale of its own, so that one token
    of unusual size does not cost the others their precision.

    Args:
        linear: the layer to replace. Its tensors are shared, not copied.

    Attributes:
        weight: the layer's original weights, for code that uses slices of them.
        bias: the layer's original bias, or None.
    """

    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        weight = linear.weight.detach().float()
        scales = (weight.abs().amax(1) / LARGEST_WEIGHT).clamp_min(SMALLEST)
        integers = (weight / scales[:, None]).round().to(torch.int8)
        # PyTorch cannot look into it, so it is neither a parameter nor a buffer.
        self._packed = torch.ops.onednn.qlinear_prepack(integers, None)
        self._scales, self._zeros = scales, torch.zeros(len(scales), dtype=torch.int32)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N), in the number format that `nn.Linear` would return."""
        tokens = x.flatten(0, -2)
        scales = (tokens.abs().amax(1, keepdim=True).float() / LARGEST_ACTIVATION).clamp_min(SMALLEST)
        # The conversion truncates: adding a half makes it round.
        integers = (tokens * scales.reciprocal()).add_(ZERO + 0.5).to(torch.uint8)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        products: Tensor = torch.ops.onednn.qlinear_pointwise(
            integers, 1.0, ZERO, self._packed, self._scales, self._zeros, None, 1.0, 0, dtype, "none", [], ""
        )
        # In place: another result of this size would cost the time to write it.
        if self.bias is None:
            products.mul_(scales.to(dtype))
        else:
            torch.addcmul(self.bias.to(dtype), products, scales.to(dtype), out=products)
        return products.view(*x.shape[:-1], -1)


def quantize(model: VLPRVOS) -> VLPRVOS:
    """Copy a model so that the copy's vision tower and reasoning blocks compute in 8-bit integers, on the CPU.

    Returns:
        The copy; it shares its tensors with `model`, which is not changed.

    Raises:
        UserError: this version of torch or this processor has no exact kernel.
    """
    check_kernel()
    twin = copy_module_tree(model)
    for part in (twin.backbone.vision_blocks, twin.reasoning):
        _replace_linear_layers(part)
    return twin


def check_kernel() -> None:
    """Check that matrix products of 8-bit integers are exact here.

    Processors without VNNI instructions add pairs of products in 16 bits, which overflows for large values. The check
    multiplies such values.

    Raises:
        UserError: the products are not exact, or this version of torch has none.
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
    """The number format for the rest of a quantized model: bfloat16 if the processor multiplies it, else float32."""
    return torch.bfloat16 if multiplies(torch.bfloat16, torch.device("cpu")) else torch.float32


def _replace_linear_layers(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, QuantizedLinear(child))
        else:
            _replace_linear_layers(child)
