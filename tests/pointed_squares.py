"""Squares of one colour each as the things of a frame, found without a model, for tests of what is pointed at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from stubs import tiny_config
from torch import Tensor

from vlp_rvos.arrays import Image
from vlp_rvos.models.candidates import Candidates
from vlp_rvos.models.descriptors import Descriptors, FrameThings
from vlp_rvos.models.pointed_things import Mark, PointedThing, follow_things
from vlp_rvos.runtimes.runtime import ClipPrediction, Runtime

#: Side of a frame in pixels, and of a square.
SIDE, SQUARE = 64, 16
#: Colours of the squares, one in each channel; the background is black.
RED, GREEN, BLUE = range(3)


def picture(**places: tuple[int, int]) -> Image:
    """A frame with squares at (x, y) of their upper left corners, by colour: red=(8, 16)."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    for colour, (x, y) in places.items():
        image[y : y + SQUARE, x : x + SQUARE, ("red", "green", "blue").index(colour)] = 255
    return image


def things_in(frame: Tensor) -> FrameThings:
    """The squares of a frame (3, h, w); each is a candidate whose look is its colour."""
    coarse = torch.nn.functional.avg_pool2d(frame[None], 4)[0] > 0.5
    shown = [colour for colour in range(3) if coarse[colour].any()]
    masks, looks, boxes = [], [], []
    for colour in shown:
        rows, columns = coarse[colour].any(1).nonzero()[:, 0], coarse[colour].any(0).nonzero()[:, 0]
        boxes.append([4 * columns[0], 4 * rows[0], 4 * (columns[-1] + 1), 4 * (rows[-1] + 1)])
        masks.append(torch.where(coarse[colour], 6.0, -6.0))
        looks.append(torch.eye(3)[colour])
    if not shown:
        # A candidate that is as sure as nothing, as real models always have some.
        boxes, masks, looks = (
            [[0, 0, 4, 4]],
            [torch.full(coarse.shape[1:], -6.0)],
            [torch.ones(3) / 3 + torch.eye(3)[0]],
        )
    count = len(boxes)
    empty = torch.zeros(count, 1)
    look = torch.stack(looks)
    described = Descriptors(look, *[empty] * 7)
    box = torch.tensor(boxes, dtype=torch.float32)
    return Candidates(torch.arange(count), torch.full((count,), 0.9), box, torch.stack(masks)), described


class SquaresRuntime(Runtime):
    """Finds squares instead of running a model, and no words. Counts the frames that it has seen."""

    can_point = True
    size_multiple = 4
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.config = tiny_config(input_size=SIDE, memory_frames=0, small_size=0, min_part=0.0)
        self.frames = 0

    def encode_text(self, expressions: Sequence[str]) -> Any:
        return len(expressions)

    def describe_drawn(self, frame: Tensor, masks: Tensor) -> Tensor:
        inside = torch.nn.functional.avg_pool2d(frame[0, 0][None], 4)[0]
        looks = torch.stack([inside[:, mask].mean(1) for mask in masks])
        return torch.nn.functional.normalize(torch.nn.functional.layer_norm(looks, (3,)), dim=-1)

    def step(
        self, frames: Any, text: Any, state: Any = None, pointed: int = 0, marks: Sequence[Mark] = ()
    ) -> ClipPrediction:
        self.frames += frames.shape[1]
        things = state or (PointedThing(),) * pointed
        found = follow_things([things_in(frame) for frame in frames[0]], marks, things)
        masks = torch.nn.functional.interpolate(found.mask_logits, scale_factor=4.0, mode="bilinear")
        presence = found.presence_logits
        if text:
            masks = torch.cat([torch.full((text, *masks.shape[1:]), 1.0), masks])
            presence = torch.cat([torch.full((text, presence.shape[1]), 5.0), presence])
        return ClipPrediction(masks, presence, found.things, missed=found.missed)
