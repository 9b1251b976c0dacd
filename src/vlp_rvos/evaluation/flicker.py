"""Flicker: how much masks change from frame to frame beyond what moves in the video. It needs no true masks. [D]

Each mask is compared with the mask of the frame before, which is warped by the motion between the two frames. The
motion is found by block matching on small grey frames. Shapes: E expressions, (H, W) pixels of the video, (h, w) pixels
of the small frames.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vlp_rvos.arrays import Image

__all__ = ["FlickerMeter", "grey_frame", "motion_between", "warp_mask"]

LONG_SIDE = 160
"""Longer side of the small frames, in pixels."""
REACH = 10
"""Largest motion from frame to frame, in pixels of the small frames along each axis."""
BLOCK = 9
"""Side of the blocks that are compared, in pixels; odd."""
DISTANCE_COST = 0.25
"""Difference in grey levels that a pixel of motion costs, so that flat areas stand still."""


class FlickerMeter:
    """Collects the stability of the masks of a video, frame by frame.

    Args:
        expressions: number of expressions, E.

    Attributes:
        ious: for each expression, the IoU of each mask with the warped mask of the frame before, in [0, 1]. Frames in
            which both are empty do not count.
    """

    def __init__(self, expressions: int) -> None:
        self.ious: list[list[float]] = [[] for _ in range(expressions)]
        self._grey: Tensor | None = None
        self._masks: Tensor | None = None

    def add(self, image: Image, masks: NDArray[np.bool_]) -> None:
        """Take the next frame.

        Args:
            image: (H, W, 3) uint8 RGB.
            masks: (E, H, W) bool.
        """
        grey = grey_frame(image)
        small = F.interpolate(torch.from_numpy(masks)[None].float(), grey.shape, mode="area")[0] > 0.5
        if self._grey is not None and self._masks is not None:
            motion = motion_between(self._grey, grey)
            for ious, before, now in zip(self.ious, self._masks, small, strict=True):
                warped = warp_mask(before, motion)
                if union := int((warped | now).sum()):
                    ious.append(int((warped & now).sum()) / union)
        self._grey, self._masks = grey, small

    @property
    def means(self) -> list[float | None]:
        """Mean IoU of each expression; None where no two neighbouring frames have a mask."""
        return [sum(ious) / len(ious) if ious else None for ious in self.ious]


def grey_frame(image: Image, long_side: int = LONG_SIDE) -> Tensor:
    """A small grey frame.

    Args:
        image: (H, W, 3) uint8 RGB.
        long_side: its longer side in pixels; smaller images keep their size.

    Returns:
        (h, w) float32 grey levels in [0, 255].
    """
    height, width = image.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    # Luma of ITU-R BT.601.
    grey = torch.from_numpy(np.ascontiguousarray(image)).float() @ torch.tensor([0.299, 0.587, 0.114])
    return F.interpolate(grey[None, None], size, mode="area")[0, 0]


def motion_between(before: Tensor, now: Tensor, reach: int = REACH) -> Tensor:
    """Where each pixel of a frame was in the frame before, by exhaustive block matching.

    Args:
        before: (h, w) grey levels of the frame before.
        now: (h, w) grey levels of the frame.
        reach: largest motion along each axis, in pixels.

    Returns:
        (2, h, w) int64: rows and columns to add to a pixel's place to find it in the frame before.
    """
    height, width = now.shape
    padded = F.pad(before[None, None], (reach,) * 4, mode="replicate")[0, 0]
    least = torch.full((height, width), torch.inf)
    motion = torch.zeros(2, height, width, dtype=torch.int64)
    shifts = [(dy, dx) for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1)]
    # The shortest motion first, which then wins among equals.
    for dy, dx in sorted(shifts, key=lambda shift: shift[0] ** 2 + shift[1] ** 2):
        shifted = padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width]
        difference = (now - shifted).abs()[None, None]
        cost = F.avg_pool2d(difference, BLOCK, 1, BLOCK // 2, count_include_pad=False)[0, 0]
        cost = cost + DISTANCE_COST * (dy * dy + dx * dx) ** 0.5
        better = cost < least
        least = torch.where(better, cost, least)
        motion[0][better], motion[1][better] = dy, dx
    return motion


def warp_mask(before: Tensor, motion: Tensor) -> Tensor:
    """The mask of the frame before, moved to where its pixels are now.

    Args:
        before: (h, w) bool.
        motion: (2, h, w) of `motion_between`. Places outside of the frame are taken at its border.

    Returns:
        (h, w) bool.
    """
    height, width = before.shape
    rows = (torch.arange(height)[:, None] + motion[0]).clamp(0, height - 1)
    columns = (torch.arange(width)[None] + motion[1]).clamp(0, width - 1)
    return before[rows, columns]
