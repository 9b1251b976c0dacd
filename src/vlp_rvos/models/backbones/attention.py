"""Scaled dot-product attention by the kernel that is fastest for the device and the number format."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["attend", "attention_weights"]

#: Largest attention map, in elements, that is kept in memory as a whole.
MAX_MAP_ELEMENTS = 1 << 26


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    """`softmax(q k^T * scale + mask) v`, as `torch.nn.functional.scaled_dot_product_attention` computes it.

    On a CPU in bfloat16 PyTorch's kernel is slower than two matrix products with the attention map between them: 1.6
    times forward, 2 to 8 times with the backward pass (`benchmarks/attention_kernels.py`). There the map is written
    out, as long as it is small enough.

    Args:
        q: (..., L, d) queries.
        k: (..., S, d) keys.
        v: (..., S, e) values.
        mask: Broadcastable to (..., L, S). A bool mask hides a key where it is False; a floating-point mask is added to
            the logits.
        scale: Factor of the logits, 1/sqrt(d) by default.

    Returns:
        (..., L, e).
    """
    slow_kernel = q.device.type == "cpu" and q.dtype == torch.bfloat16
    if not slow_kernel or q.shape[:-1].numel() * k.shape[-2] > MAX_MAP_ELEMENTS:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
    logits = q * (q.shape[-1] ** -0.5 if scale is None else scale) @ k.transpose(-2, -1)
    if mask is not None:
        logits = logits.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else logits + mask
    return logits.softmax(-1, dtype=logits.dtype) @ v


def attention_weights(q: Tensor, k: Tensor, mask: Tensor | None = None) -> Tensor:
    """The attention map that `attend` multiplies with the values, for those who want to see it.

    Args:
        q: (..., L, d) queries.
        k: (..., S, d) keys.
        mask: as for `attend`.

    Returns:
        (..., L, S) float32, whose rows sum to 1.
    """
    logits = (q.float() * q.shape[-1] ** -0.5) @ k.float().transpose(-2, -1)
    if mask is not None:
        logits = logits.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else logits + mask
    weights: Tensor = logits.softmax(-1)
    return weights
