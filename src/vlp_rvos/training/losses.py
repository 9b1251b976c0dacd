"""The loss of one clip (`docs/method.md` section 5).

Shapes: B expressions, T frames, (H, W) network input, (h, w) patch grid.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from vlp_rvos.models.vlp_rvos import ClipOutput

__all__ = ["ClipLosses", "LossWeights", "clip_losses", "dice_loss", "mask_bce"]


@dataclass(frozen=True)
class LossWeights:
    """How much each part counts. Masks and score map: [O]; presence and absent: [D].

    Attributes:
        absent: factor on the mask's loss of expressions that refer to nothing in the whole sample. Below 1 the mask
            says where the thing would be, and whether it is there is left to presence.
    """

    bce: float = 2.0
    dice: float = 5.0
    score_bce: float = 2.0
    score_dice: float = 5.0
    presence: float = 1.0
    absent: float = 1.0


@dataclass(frozen=True)
class ClipLosses:
    """The parts of a clip's loss, scalars in fp32 before weighting, and their weighted sum."""

    bce: Tensor
    dice: Tensor
    score_bce: Tensor
    score_dice: Tensor
    presence: Tensor
    total: Tensor

    def parts(self) -> dict[str, Tensor]:
        """Name -> value without graph, for logging; the total is called "loss"."""
        values = {part.name: getattr(self, part.name).detach() for part in fields(self)}
        return {"loss": values.pop("total"), **values}


def mask_bce(logits: Tensor, masks: Tensor, counts: Tensor | None = None) -> Tensor:
    """Binary cross entropy, the mean over pixels, frames and expressions.

    Args:
        logits: (B, T, H, W).
        masks: (B, T, H, W) in {0, 1}, floating point.
        counts: (B,) factor on each expression's part; None for 1.
    """
    if counts is None:
        return F.binary_cross_entropy_with_logits(logits, masks)
    return (F.binary_cross_entropy_with_logits(logits, masks, reduction="none").flatten(1).mean(1) * counts).mean()


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Soft dice per frame with smoothing 1, the mean over frames and expressions.

    A frame without target counts as 0: overlap says nothing there, and cross entropy alone pulls it to zero [D].

    Args:
        logits: (B, T, H, W).
        masks: (B, T, H, W) in {0, 1}, floating point.
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
    refers: Tensor | None = None,
) -> ClipLosses:
    """All parts of the loss of one clip, in fp32 whatever the precision of the output.

    The score map is upsampled to the masks' size and supervised like them; presence is the mean of the cross
    entropies of the frames' and of the clip's logits. Parts that the model's config switched off are 0.

    Frames that are not supervised count for nothing: every mean is over the others [D]. Whether the target is in the
    clip is known where a supervised frame shows it, or where all frames are supervised.

    Args:
        output: of the model for B expressions and T frames.
        masks: (B, T, H, W) bool, or {0, 1} of any type, at the size of `output.mask_logits`.
        weights: of the parts; the paper's by default.
        supervised: (B, T) bool, where the masks are known, at least one of them; None where all are.
        refers: (B,) bool, which expressions refer to something in the sample that the clip is from; None if all do.

    Raises:
        ValueError: the masks' shape is not that of the mask logits, or no frame is supervised.
    """
    if masks.shape != output.mask_logits.shape:
        raise ValueError(f"masks {tuple(masks.shape)} do not fit mask logits {tuple(output.mask_logits.shape)}")
    if supervised is not None and not supervised.any():
        raise ValueError("no frame is supervised: there is nothing to learn from this clip")
    weights = weights or LossWeights()

    def known(frames: Tensor) -> Tensor:
        """(B, T, ...) as it is, or its supervised frames as clips of one frame."""
        return frames if supervised is None else frames[supervised].unsqueeze(1)

    with torch.autocast(masks.device.type, enabled=False):
        target = known(masks).float()
        logits = known(output.mask_logits).float()
        zero = logits.new_zeros(())
        counts = None
        if refers is not None and weights.absent != 1:
            each = torch.where(refers, 1.0, weights.absent)
            counts = each if supervised is None else each[:, None].expand(supervised.shape)[supervised]
        bce, dice = mask_bce(logits, target, counts), dice_loss(logits, target)
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


def _clip_presence_loss(logits: Tensor, masks: Tensor, supervised: Tensor | None) -> Tensor:
    """Cross entropy of the clips' presence (B,), over those of which it is known."""
    in_frame = masks.flatten(2).amax(-1)
    if supervised is None:
        return F.binary_cross_entropy_with_logits(logits, in_frame.amax(-1))
    in_clip = (in_frame * supervised).amax(-1)
    known = (in_clip > 0) | supervised.all(-1)
    return F.binary_cross_entropy_with_logits(logits[known], in_clip[known], reduction="sum") / known.sum().clamp(min=1)
