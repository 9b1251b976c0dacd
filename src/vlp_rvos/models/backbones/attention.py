"""Scaled dot-product attention, by the kernel that is fastest for the device and number format."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["attend"]

LARGEST_MAP = 1 << 26


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    """`softmax(q k^T * scale + mask) v`, as `torch.nn.functional.scaled_dot_product_attention` computes it.

    On a CPU in bfloat16 that function's own kernel is slower than two matrix products with the attention map between
    them: 1.6 times forward, 2 to 8 times with the backward pass (`benchmarks/attention_kernels.py`). So there the map is
    written out, as long as it stays small.

    Args:
        q: (..., L, d) queries.
        k: (..., S, d) keys.
        v: (..., S, e) values.
        mask: broadcastable to (..., L, S): bool, False hides a key, or floating point, added to the logits.
        scale: of the logits; 1/sqrt(d) by default.

    Returns:
        (..., L, e).
    """
    plain = q.device.type == "cpu" and q.dtype == torch.bfloat16
    if not plain or q.shape[:-1].numel() * k.shape[-2] > LARGEST_MAP:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
    logits = q * (q.shape[-1] ** -0.5 if scale is None else scale) @ k.transpose(-2, -1)
    if mask is not None:
        logits = logits.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else logits + mask
    return logits.softmax(-1, dtype=logits.dtype) @ v
