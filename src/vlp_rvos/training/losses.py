"""The loss of one clip (`docs/method.md` section 5).

Marks: [O] from the authors' release, [D] decided by this project. Shapes: B expressions, T frames, (H, W) network
input, (h, w) patch grid.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.utils.ranges import Range, check_ranges

if TYPE_CHECKING:
    from vlp_rvos.models.vlp_rvos import ClipOutput

__all__ = ["ClipLosses", "LossWeights", "clip_losses", "dice_loss", "mask_bce", "no_loss"]

WEIGHT = Range(0, 10**6)


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of the loss.

    Attributes:
        bce: weight of the masks' binary cross entropy [O].
        dice: weight of the masks' dice loss [O].
        score_bce: weight of the score map's binary cross entropy [O].
        score_dice: weight of the score map's dice loss [O].
        presence: weight of the presence loss [D].
        absent: factor on the masks' cross entropy for expressions that refer to nothing in the whole sample [D]. Below
            1, it is mainly presence that learns whether the target is there, and the mask where it would be.
    """

    bce: Annotated[float, WEIGHT] = 2.0
    dice: Annotated[float, WEIGHT] = 5.0
    score_bce: Annotated[float, WEIGHT] = 2.0
    score_dice: Annotated[float, WEIGHT] = 5.0
    presence: Annotated[float, WEIGHT] = 1.0
    absent: Annotated[float, WEIGHT] = 1.0

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class ClipLosses:
    """The terms of a clip's loss and their weighted sum, float32 scalars.

    Attributes:
        bce: binary cross entropy of the masks.
        dice: dice loss of the masks.
        score_bce: binary cross entropy of the score map; 0 without one.
        score_dice: dice loss of the score map; 0 without one.
        presence: cross entropy of presence in the frames and in the clip; 0 without a presence head.
        total: sum of the terms, each times its weight.
    """

    bce: Tensor
    dice: Tensor
    score_bce: Tensor
    score_dice: Tensor
    presence: Tensor
    total: Tensor

    def detached(self) -> dict[str, Tensor]:
        """Name -> value without its graph, for logging; the total is called "loss"."""
        values = {term.name: getattr(self, term.name).detach() for term in fields(self)}
        return {"loss": values.pop("total"), **values}


def mask_bce(logits: Tensor, masks: Tensor, factors: Tensor | None = None) -> Tensor:
    """Binary cross entropy of masks, the mean over pixels, frames and expressions.

    Args:
        logits: (B, T, H, W) mask logits.
        masks: (B, T, H, W) true masks in {0, 1}, floating point.
        factors: (B,) factor on each expression's cross entropy; None for 1.
    """
    if factors is None:
        return F.binary_cross_entropy_with_logits(logits, masks)
    return (F.binary_cross_entropy_with_logits(logits, masks, reduction="none").flatten(1).mean(1) * factors).mean()


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Soft dice loss of each frame with smoothing 1, the mean over frames and expressions.

    A frame without the target contributes 0: overlap is meaningless there, and cross entropy alone empties the mask
    [D].

    Args:
        logits: (B, T, H, W) mask logits.
        masks: (B, T, H, W) true masks in {0, 1}, floating point.
    """
    probability, target = logits.sigmoid().flatten(2), masks.flatten(2)
    overlap = 2 * (probability * target).sum(-1)
    area, total = target.sum(-1), probability.sum(-1) + target.sum(-1)
    return ((1 - (overlap + 1) / (total + 1)) * (area > 0)).mean()


def clip_losses(
    output: ClipOutput,
    masks: Tensor,
    weights: LossWeights | None = None,
    supervised: Tensor | None = None,
    has_target: Tensor | None = None,
) -> ClipLosses:
    """All terms of the loss of one clip, in float32 whatever the precision of the output.

    The score map is upsampled to the masks' size and supervised by them. The presence loss is the mean of two cross
    entropies, one of the frames' logits and one of the clip's. Terms that the model's config switched off are 0.

    Frames that are not supervised are left out of every mean [D]. Whether the target is in the clip is known if a
    supervised frame shows it, or if all frames are supervised.

    Args:
        output: output of the model for B expressions and T frames.
        masks: (B, T, H, W) true masks, bool or {0, 1} of any type, at the size of `output.mask_logits`.
        weights: weights of the terms; None for the defaults.
        supervised: (B, T) bool, True on frames whose mask is known, at least one; None if all masks are known.
        has_target: (B,) bool, which expressions refer to something in the sample that the clip is from; None if all do.

    Raises:
        ValueError: the masks' shape is not that of the mask logits, or no frame is supervised.
    """
    if masks.shape != output.mask_logits.shape:
        raise ValueError(f"masks {tuple(masks.shape)} do not fit mask logits {tuple(output.mask_logits.shape)}")
    if supervised is not None and not supervised.any():
        raise ValueError("no frame is supervised: there is nothing to learn from this clip")
    weights = weights or LossWeights()

    def known(frames: Tensor) -> Tensor:
        """The supervised frames of (B, T, ...), as clips of one frame each; unchanged if all frames are supervised."""
        return frames if supervised is None else frames[supervised].unsqueeze(1)

    with torch.autocast(masks.device.type, enabled=False):
        target = known(masks).float()
        logits = known(output.mask_logits).float()
        zero = logits.new_zeros(())
        factors = None
        if has_target is not None and weights.absent != 1:
            of_expression = torch.where(has_target, 1.0, weights.absent)
            factors = of_expression
            if supervised is not None:
                factors = of_expression[:, None].expand(supervised.shape)[supervised]
        bce, dice = mask_bce(logits, target, factors), dice_loss(logits, target)
        score_bce = score_dice = presence = zero
        if output.score_logits is not None:
            coarse = known(output.score_logits).float()
            scores = F.interpolate(coarse, masks.shape[-2:], mode="bilinear", align_corners=False)
            score_bce, score_dice = mask_bce(scores, target), dice_loss(scores, target)
        if output.presence_logits is not None and output.clip_presence_logits is not None:
            in_frame = target.flatten(2).amax(-1)
            of_frames = F.binary_cross_entropy_with_logits(known(output.presence_logits).float(), in_frame)
            of_clip = _clip_presence_loss(output.clip_presence_logits.float(), masks.float(), supervised)
            presence = (of_frames + of_clip) / 2
        total = (
            weights.bce * bce
            + weights.dice * dice
            + weights.score_bce * score_bce
            + weights.score_dice * score_dice
            + weights.presence * presence
        )
    return ClipLosses(bce, dice, score_bce, score_dice, presence, total)


def no_loss(output: ClipOutput) -> Tensor:
    """A loss of 0 that depends on the same outputs as `clip_losses`, whatever their values; its gradients are 0."""
    outputs = (output.mask_logits, output.score_logits, output.presence_logits, output.clip_presence_logits)
    return torch.stack([logits.flatten()[:0].sum() for logits in outputs if logits is not None]).sum()


def _clip_presence_loss(logits: Tensor, masks: Tensor, supervised: Tensor | None) -> Tensor:
    """Cross entropy of the clips' presence logits (B,), the mean over the clips whose presence is known."""
    in_frame = masks.flatten(2).amax(-1)
    if supervised is None:
        return F.binary_cross_entropy_with_logits(logits, in_frame.amax(-1))
    in_clip = (in_frame * supervised).amax(-1)
    known = (in_clip > 0) | supervised.all(-1)
    return F.binary_cross_entropy_with_logits(logits[known], in_clip[known], reduction="sum") / known.sum().clamp(min=1)
