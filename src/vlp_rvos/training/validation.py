"""Validation during training: how well a model does on held-out samples.

Shapes: B expressions, T frames of a clip, (H, W) pixels.
"""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from lightning_fabric import Fabric
from torch import Tensor

from vlp_rvos.data.mixture import Mixture
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.batches import collate
from vlp_rvos.utils.signals import StopRequest

__all__ = ["HeldOutValidation", "expression_means", "frame_iou"]


class HeldOutValidation:
    """Measures a model on the first samples of a held-out mixture.

    Args:
        mixture: mixture to take the samples from.
        samples: number of samples.
        clips: number of consecutive clips of a sample.
    """

    def __init__(self, mixture: Mixture, samples: int, clips: int) -> None:
        self.mixture, self.samples, self.clips = mixture, samples, clips

    @torch.no_grad()
    def measure(
        self, model: VLPRVOS, fabric: Fabric, stop_request: StopRequest | None = None
    ) -> dict[str, float] | None:
        """Run the model in evaluation mode and average its scores over expressions and clips.

        Args:
            model: model on the device of `fabric`; it is in training mode afterwards.
            fabric: gives the device and the precision.
            stop_request: breaks the measurement off when it becomes true.

        Returns:
            "iou", the mean IoU over frames; "iou_<kind>", the same for each kind of expression; "iou_present", for all
            kinds but "absent"; and with a presence head "presence_accuracy", the share of frames where presence is
            right. None if the measurement was broken off.
        """
        values: dict[str, list[float]] = defaultdict(list)
        model.eval()
        for index in range(self.samples):
            if stop_request:
                break
            sample = self.mixture.sample(index)
            batch = collate([sample], self.clips)
            text = model.backbone.tokenize(batch.expressions).to(fabric.device)
            video_of = batch.video_of.to(fabric.device)
            history: Tensor | None = None
            for frames, masks, supervised in batch.clips(fabric.device):
                with fabric.autocast():
                    output = model(frames, text, history, video_of)
                history = output.history
                ious = expression_means(frame_iou(output.mask_logits > 0, masks), supervised)
                values["iou"] += ious.values()
                for expression, iou in ious.items():
                    kind = sample.kinds[expression]
                    values[f"iou_{kind}"].append(iou)
                    if kind != "absent":
                        values["iou_present"].append(iou)
                if output.presence_logits is not None:
                    right = (output.presence_logits > 0) == masks.flatten(2).any(-1)
                    values["presence_accuracy"] += expression_means(right.float(), supervised).values()
        model.train()
        if stop_request:
            return None
        return {name: math.fsum(found) / len(found) for name, found in sorted(values.items())}


def frame_iou(predicted: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of every frame; 1 where both masks are empty.

    Args:
        predicted: (..., H, W) bool, predicted masks.
        masks: (..., H, W) bool, true masks.

    Returns:
        (...) float.
    """
    union = (predicted | masks).flatten(-2).sum(-1)
    overlap = (predicted & masks).flatten(-2).sum(-1)
    return torch.where(union > 0, overlap / union.clamp(min=1), 1.0)


def expression_means(values: Tensor, supervised: Tensor | None) -> dict[int, float]:
    """Mean of each expression over its supervised frames.

    Args:
        values: (B, T) one value for each frame.
        supervised: (B, T) bool, which frames count; None counts all.

    Returns:
        Index of the expression -> mean; expressions without a supervised frame are left out.
    """
    if supervised is None:
        return dict(enumerate(values.mean(1).tolist()))
    return {e: values[e, known].mean().item() for e, known in enumerate(supervised) if known.any()}
