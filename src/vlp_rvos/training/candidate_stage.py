"""The stage "candidates": the head that proposes the separate things of a picture learns to. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Every step takes views of a few pictures of one
size. The frozen networks see them without gradients; the head learns objectness, boxes and masks of all outlined
things. Shapes: N pictures, (H, W) pixels of a view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image as PillowImage
from torch import Tensor, nn

from vlp_rvos.arrays import Image
from vlp_rvos.data.outlined_pictures import LoadedPicture, OutlinedPicture
from vlp_rvos.data.picture_sources import OpenedSource, open_pictures
from vlp_rvos.data.picture_views import PictureView, draw_view
from vlp_rvos.models.candidate_path import CandidatePath, FrozenMaps
from vlp_rvos.models.candidates import mask_overlaps
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.batches import load_items
from vlp_rvos.training.proposal_losses import proposal_losses
from vlp_rvos.training.stage_config import CandidateStage
from vlp_rvos.training.stage_loop import Item, LaterStage, StageContext, StageResult
from vlp_rvos.utils.progress import announced
from vlp_rvos.utils.signals import StopRequest

__all__ = [
    "CandidateTraining",
    "ViewBatches",
    "ViewTraining",
    "best_overlaps",
    "drawn_at",
    "outlined_things",
    "path_of",
    "picture_frames",
    "read_frozen",
    "spread",
]

Thing = TypeVar("Thing")


def path_of(model: VLPRVOS) -> CandidatePath:
    """The candidate path of a model that has one."""
    assert model.candidate_path is not None
    return model.candidate_path


def picture_frames(model: VLPRVOS, pixels: Image) -> Tensor:
    """A picture (h, w, 3) uint8 as the only frame of a clip of the model's input size: (1, 1, 3, H, W) in [0, 1]."""
    height, width = model.config.frame_size(pixels.shape[0], pixels.shape[1], model.backbone.size_multiple)
    resized = PillowImage.fromarray(pixels).resize((width, height), PillowImage.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None, None].float() / 255


def read_frozen(model: VLPRVOS, frames: Tensor) -> FrozenMaps:
    """What the frozen networks see in frames (V, T, 3, H, W) in [0, 1], without gradients."""
    with torch.no_grad():
        images = model.backbone.normalize(frames.flatten(0, 1))
        tokens = model.backbone.embed_frames(images, model.config.patch_pool)
        assert tokens.named is not None
        pyramid = {stride: maps.unflatten(0, frames.shape[:2]) for stride, maps in tokens.pyramid.items()}
        return path_of(model).read(frames, pyramid, tokens.named.unflatten(0, frames.shape[:2]))


@dataclass(frozen=True)
class ViewBatches:
    """Makes the views of a step, from its number alone.

    Attributes:
        sources: the pictures.
        stage: sizes of the views, and how many a step takes.
        seed: seed of all views.
    """

    sources: Sequence[OpenedSource]
    stage: CandidateStage
    seed: int

    def item(self, index: int) -> list[PictureView]:
        """The views of a step; all have one size.

        Raises:
            UserError: a picture is missing or broken.
        """
        rng = np.random.default_rng((self.seed, index))
        size = self.stage.sizes[int(rng.choice(len(self.stage.sizes), p=_shares(self.stage.size_weights)))]
        usable = [source for source in self.sources if source.training]
        shares = _shares([source.source.weight for source in usable])
        views = []
        for _ in range(self.stage.batch):
            chosen = usable[int(rng.choice(len(usable), p=shares))]
            picture = chosen.training[int(rng.integers(len(chosen.training)))]
            views.append(draw_view(picture.load(), size, rng, complete=chosen.source.complete))
        return views


class ViewTraining(LaterStage[Item]):
    """A stage that learns from views of pictures with outlined things.

    Args:
        context: The run.
        budget: How long it trains, and on which pictures.
        trained: What it trains of the candidate path.
    """

    def __init__(self, context: StageContext, budget: CandidateStage, trained: nn.Module) -> None:
        super().__init__(context, budget)
        self.views, self.path = budget, path_of(self.model)
        self.sources: Sequence[OpenedSource] = ()
        # With channels last, as the frozen maps have them, a CPU takes about two thirds of the time.
        trained.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def prepare(self, stop_request: StopRequest) -> bool:
        with announced("reading the lists of pictures"):
            self.sources = open_pictures(self.views.sources, self.context.config.data)
        return True

    def draw_views(self, step: int) -> Iterator[list[PictureView]]:
        """The views of each step from a step on."""
        config = self.context.config
        return load_items(ViewBatches(self.sources, self.views, config.seed), step, config.workers)

    def frames_of(self, views: Sequence[PictureView]) -> Tensor:
        """The views as frames (N, 1, 3, H, W) in [0, 1], on the device."""
        return torch.stack([view.pixels for view in views]).to(self.fabric.device).float()[:, None] / 255

    def held_out(self) -> list[OutlinedPicture]:
        """The held-out pictures that the stage is measured on."""
        return spread([picture for source in self.sources for picture in source.held_out], self.views.val_pictures)


class CandidateTraining(ViewTraining[list[PictureView]]):
    """Trains `CandidateHead`."""

    name = "candidates"
    parts = ("candidate_path.head.",)

    def __init__(self, context: StageContext, budget: CandidateStage) -> None:
        super().__init__(context, budget, path_of(context.model).head)

    def batches(self, step: int) -> Iterator[list[PictureView]]:
        return self.draw_views(step)

    def losses(self, batch: list[PictureView]) -> dict[str, Tensor]:
        device, frames = self.fabric.device, self.frames_of(batch)
        views = [
            replace(v, masks=v.masks.to(device), ignored=v.ignored.to(device), valid=v.valid.to(device)) for v in batch
        ]
        with self.fabric.autocast():
            seen = read_frozen(self.model, frames)
            proposals = self.path.head(seen.maps, seen.distances)
        return proposal_losses(self.path.head, proposals, views)

    def measure(self, stop_request: StopRequest) -> StageResult | None:
        """How well the best candidate fits each held-out thing: mean IoU, and the share above a half."""
        found: list[float] = []
        for picture in self.held_out():
            if stop_request:
                return None
            found += best_overlaps(self.model, picture.load(), self.fabric.device)
        if not found:
            return StageResult()
        overlaps = np.array(found)
        return StageResult(numbers={"iou": float(overlaps.mean()), "recall": float((overlaps > 0.5).mean())})


@torch.no_grad()
def best_overlaps(model: VLPRVOS, picture: LoadedPicture, device: torch.device) -> list[float]:
    """IoU of each thing of a picture with the candidate that fits it best."""
    masks = outlined_things(picture)
    if not len(masks):
        return []
    path = path_of(model)
    seen = read_frozen(model, picture_frames(model, picture.pixels).to(device))
    proposals = path.head(seen.maps, seen.distances, all_weights=False)
    candidates = path.head.select(proposals, 0, path.count)
    overlaps: list[float] = mask_overlaps(masks, drawn_at(candidates.mask_logits, masks)).amax(1).tolist()
    return overlaps


def outlined_things(picture: LoadedPicture) -> Tensor:
    """The masks (N, h, w) of the things of a picture that are not crowds, without empty ones."""
    masks = torch.from_numpy(picture.masks[~np.array(picture.crowd, bool)])
    return masks[masks.flatten(1).any(1)]


def drawn_at(logits: Tensor, masks: Tensor) -> Tensor:
    """Masks (K, h', w') at the size of others (N, h, w), bool, on the CPU."""
    return F.interpolate(logits[None].float(), masks.shape[-2:], mode="bilinear", align_corners=False)[0].cpu() > 0


def spread(things: Sequence[Thing], count: int) -> list[Thing]:
    """At most `count` of the things, evenly spread over all of them."""
    if len(things) <= count:
        return list(things)
    return [things[k * len(things) // count] for k in range(count)]


def _shares(weights: Sequence[float]) -> np.ndarray | None:
    """Weights as probabilities; None without weights."""
    return np.array(weights) / sum(weights) if weights else None
