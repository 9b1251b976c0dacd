"""The loss of the proposals: objectness, boxes and masks. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: A assigned positions, M things, (h, w) =
(H/4, W/4) positions of the masks of a frame of (H, W) pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.data.picture_views import PictureView
from vlp_rvos.models.candidates import CandidateHead, Proposals
from vlp_rvos.training.proposal_targets import assign, boxes_of, cells_of

__all__ = ["generalized_box_iou", "mask_losses", "proposal_losses"]

OBJECTNESS_WEIGHT, BOX_WEIGHT, MASK_WEIGHT = 1.5, 2.0, 3.0
#: number of masks of a picture that are drawn and compared in a step
DRAWN = 24
#: weight of "no thing" beside the picture, and where not all things are outlined
BESIDE, UNKNOWN = 0.2, 0.06


def generalized_box_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Generalized IoU (https://arxiv.org/abs/1902.09630) of boxes (A, 4) in pixels, one by one: (A,) in [-1, 1]."""
    inside = torch.minimum(boxes[:, 2:], others[:, 2:]) - torch.maximum(boxes[:, :2], others[:, :2])
    around = torch.maximum(boxes[:, 2:], others[:, 2:]) - torch.minimum(boxes[:, :2], others[:, :2])
    both, hull = inside.clamp(min=0).prod(-1), around.clamp(min=0).prod(-1).clamp(min=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(-1) + (others[:, 2:] - others[:, :2]).prod(-1)
    union = areas - both
    return both / union.clamp(min=1) - (hull - union) / hull


def mask_losses(logits: Tensor, masks: Tensor) -> Tensor:
    """Dice loss and cross entropy of masks, (A, h, w) logits and bool -> (A,).

    The cross entropy is relative to the area of the thing, so that small ones count too, and is limited.
    """
    target = masks.float()
    probabilities = logits.sigmoid()
    squares = probabilities.pow(2).sum((1, 2)) + target.sum((1, 2))
    dice = 1 - (2 * (probabilities * target).sum((1, 2)) + 1) / (squares + 1)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum((1, 2))
    return dice + 0.5 * (entropy / (4 * target.sum((1, 2)).clamp(min=20))).clamp(max=4)


def proposal_losses(head: CandidateHead, proposals: Proposals, views: Sequence[PictureView]) -> dict[str, Tensor]:
    """The weighted terms of the loss; their sum is minimised.

    The objectness learns how well box and mask of a position fit its thing, by the quality focal loss
    (https://arxiv.org/abs/2006.04388).

    Args:
        head: draws the masks.
        proposals: what is proposed in the views, with all weights.
        views: the views, on the device of the proposals.

    Returns:
        "objectness", "box" and "mask".
    """
    assert proposals.weights is not None
    device, count = proposals.boxes.device, 0
    objectness, boxes, masks = [], [proposals.boxes.new_zeros(0)], [proposals.boxes.new_zeros(0)]
    for frame, view in enumerate(views):
        rows, columns = cells_of(proposals.centres, view.valid.shape)
        target = torch.zeros(len(proposals.centres), device=device)
        weight = _weights(view)[rows, columns]
        if len(view.masks):
            true_boxes = boxes_of(view.masks)
            positions, things, overlaps = assign(proposals, frame, view.masks, true_boxes)
            found = proposals.boxes[frame, positions]
            boxes.append(1 - generalized_box_iou(found, true_boxes[things]))
            count += len(positions)
            drawn = torch.randperm(len(positions))[:DRAWN].to(device)
            logits = head.draw(
                proposals.mask_features[frame], proposals.weights[frame, positions[drawn]], found[drawn].detach()
            )
            wanted = view.masks[things[drawn]]
            masks.append(mask_losses(logits, wanted))
            quality = overlaps[things, positions].clamp(0, 1)
            both, either = ((logits > 0) & wanted).sum((1, 2)), ((logits > 0) | wanted).sum((1, 2))
            quality[drawn] = 0.5 * quality[drawn] + 0.5 * both / either.clamp(min=1)
            target[positions], weight[positions] = quality.clamp(min=0.1), 1.0
        logits = proposals.objectness[frame]
        focus = (target - logits.detach().sigmoid()).square()
        entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        objectness.append((entropy * focus * weight).sum())
    return {
        "objectness": OBJECTNESS_WEIGHT * torch.stack(objectness).sum() / max(count, 1),
        "box": BOX_WEIGHT * _mean(torch.cat(boxes), proposals.boxes),
        "mask": MASK_WEIGHT * _mean(torch.cat(masks), proposals.boxes),
    }


def _weights(view: PictureView) -> Tensor:
    """(h, w): how much it counts that there is no thing at a position to which none is assigned."""
    weights = torch.ones(view.valid.shape, device=view.valid.device)
    weights[view.ignored] = 0
    weights[~view.valid] *= BESIDE
    if not view.complete:
        weights[~view.masks.any(0)] *= UNKNOWN
    return weights


def _mean(values: Tensor, connected: Tensor) -> Tensor:
    """The mean; of nothing, 0 with a gradient of 0 for what it would have come from."""
    return values.mean() if len(values) else connected.sum() * 0
