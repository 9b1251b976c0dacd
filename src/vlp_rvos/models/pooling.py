"""The mean of features under a soft mask, for the history tokens and the presence head."""

from __future__ import annotations

from torch import Tensor

__all__ = ["masked_mean"]


def masked_mean(features: Tensor, mask_logits: Tensor) -> Tensor:
    """Mean of the patch features, weighted by the mask's probabilities.

    One patch is added to the area, so that an empty mask gives nearly 0 instead of an arbitrary feature.

    Args:
        features: (..., N, d) patch features.
        mask_logits: (..., N) mask logits at the patch grid.

    Returns:
        (..., d).
    """
    weight = mask_logits.sigmoid()[..., None].to(features.dtype)
    return (weight * features).sum(-2) / (weight.sum(-2) + 1)
