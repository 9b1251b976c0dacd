"""Measure a model on held-out samples during training."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["expression_means", "frame_iou"]


def frame_iou(predicted: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of every frame; 1 where both are empty.

    Args:
        predicted: (..., H, W) bool.
        masks: (..., H, W) bool.

    Returns:
        (...) float.
    """
    union = (predicted | masks).flatten(-2).sum(-1)
    overlap = (predicted & masks).flatten(-2).sum(-1)
    return torch.where(union > 0, overlap / union.clamp(min=1), 1.0)


def expression_means(values: Tensor, supervised: Tensor | None) -> dict[int, float]:
    """Expression -> mean of its supervised frames; values (B, T). Those without such a frame are left out."""
    if supervised is None:
        return dict(enumerate(values.mean(1).tolist()))
    return {e: values[e, known].mean().item() for e, known in enumerate(supervised) if known.any()}
