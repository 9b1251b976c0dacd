"""The stage "refinement": what redraws the masks of chosen things learns to. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Every step takes views of a few pictures of one
size, and rough masks of some things in them. Shapes: M masks, (h, w) positions of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.data.outlined_pictures import LoadedPicture
from vlp_rvos.data.picture_views import PictureView
from vlp_rvos.models.candidates import mask_overlaps
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.candidate_stage import (
    ViewTraining,
    drawn_at,
    outlined_things,
    path_of,
    picture_frames,
    read_frozen,
)
from vlp_rvos.training.rough_masks import LEAST_OVERLAP, rough_masks
from vlp_rvos.training.stage_config import RefinementStage
from vlp_rvos.training.stage_loop import StageContext, StageResult
from vlp_rvos.utils.signals import StopRequest

__all__ = ["RefinementTraining", "redrawing_loss", "redrawn_overlaps"]

#: Weights of all positions, of those inside a thing, and of those near its outline, in the cross entropy.
ANYWHERE, INSIDE, NEAR = 0.15, 0.5, 1.0
#: Positions within half of this number of the outline are near it.
NEAR_SIZE = 5


class RefinementTraining(ViewTraining[tuple[int, list[PictureView]]]):
    """Trains `Refinement`."""

    name = "refinement"
    parts = ("candidate_path.refinement.",)

    def __init__(self, context: StageContext, budget: RefinementStage) -> None:
        refinement = path_of(context.model).refinement
        assert refinement is not None
        super().__init__(context, budget, refinement)
        self.stage, self.refinement = budget, refinement

    def batches(self, step: int) -> Iterator[tuple[int, list[PictureView]]]:
        return enumerate(self.draw_views(step), step)

    def losses(self, batch: tuple[int, list[PictureView]]) -> dict[str, Tensor]:
        step, views = batch
        device, frames = self.fabric.device, self.frames_of(views)
        rng = np.random.default_rng((self.context.config.seed, step))
        with torch.no_grad(), self.fabric.autocast():
            seen = read_frozen(self.model, frames)
            proposals = self.path.head(seen.maps, seen.distances, all_weights=False)
        with self.fabric.autocast():
            surroundings = self.refinement.read(frames[:, 0], seen.stem)
        found = [self.refinement.correction.weight.sum() * 0]
        for n, view in enumerate(views):
            with torch.no_grad():
                candidates = self.path.head.select(proposals, n, self.path.count)
                pairs = rough_masks(candidates.mask_logits, view.masks.to(device), self.stage, rng)
            if pairs:
                rough, truth = (torch.stack(part) for part in zip(*pairs, strict=True))
                with self.fabric.autocast():
                    (redrawn,) = self.refinement(tuple(level[n : n + 1] for level in surroundings), rough[None])
                found += redrawing_loss(redrawn, truth, view.valid.to(device)).unbind()
        return {"mask": torch.stack(found).sum() / max(1, len(found) - 1)}

    def measure(self, stop_request: StopRequest) -> StageResult | None:
        """Mean IoU of held-out things with the candidate that fits them best, before and after it is redrawn."""
        found: list[tuple[float, float]] = []
        for picture in self.held_out():
            if stop_request:
                return None
            with self.fabric.autocast():
                found += redrawn_overlaps(self.model, picture.load(), self.fabric.device)
        if not found:
            return StageResult()
        rough, redrawn = np.array(found).mean(0)
        return StageResult(numbers={"iou": float(redrawn), "iou_rough": float(rough)})


def redrawing_loss(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Dice loss and cross entropy, which counts most near outlines, of masks: (M, h, w) logits and bool -> (M,).

    Args:
        logits: (M, h, w).
        truth: (M, h, w) bool.
        valid: (h, w) bool, False where nothing is known.
    """
    target, counts = (truth & valid).float(), valid.float()
    inside = logits.sigmoid() * counts
    common, both = (inside * target).sum((1, 2)), (inside + target).sum((1, 2))
    grown = F.max_pool2d(target, NEAR_SIZE, 1, NEAR_SIZE // 2)
    shrunk = -F.max_pool2d(-target, NEAR_SIZE, 1, NEAR_SIZE // 2)
    weights = (ANYWHERE + INSIDE * target + NEAR * (grown - shrunk)) * counts
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none") * weights
    return 1 - (2 * common + 1) / (both + 1) + entropy.sum((1, 2)) / weights.sum((1, 2)).clamp(min=1)


@torch.no_grad()
def redrawn_overlaps(model: VLPRVOS, picture: LoadedPicture, device: torch.device) -> list[tuple[float, float]]:
    """IoU of each thing of a picture that has a fitting candidate with this, before and after it is redrawn."""
    masks = outlined_things(picture)
    path = path_of(model)
    assert path.refinement is not None
    if not len(masks):
        return []
    frames = picture_frames(model, picture.pixels).to(device)
    seen = read_frozen(model, frames)
    candidates = path.head.select(path.head(seen.maps, seen.distances, all_weights=False), 0, path.count)
    overlaps, best = mask_overlaps(masks, drawn_at(candidates.mask_logits, masks)).max(1)
    fitting = (overlaps > LEAST_OVERLAP).nonzero()[:, 0]
    rough = candidates.mask_logits[best[fitting].to(device)]
    (redrawn,) = path.refinement(path.refinement.read(frames[0], seen.stem), rough[None])
    after = mask_overlaps(masks[fitting], drawn_at(redrawn, masks)).diagonal() if len(fitting) else overlaps[fitting]
    return list(zip(overlaps[fitting].tolist(), after.tolist(), strict=True))
