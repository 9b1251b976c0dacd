"""What the model says about one frame of a video. Shapes: E expressions, (H, W) the video's own size in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import av
import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Floats, Image
from vlp_rvos.errors import UserError

__all__ = ["MAX_OBJECTS", "Box", "FrameResult", "label_map"]

Box = tuple[slice, slice]


@dataclass(frozen=True)
class FrameResult:
    """What the model says about one frame.

    Attributes:
        index: number of the frame (see `VideoFrame.index`).
        time: seconds from the start of the video.
        image: (H, W, 3) uint8 RGB, the frame itself; at the network's size where `segment` was to leave images out.
        masks: (E, H, W) bool, one for each expression.
        scores: (E,) float in [0, 1]: mean foreground probability inside the mask, times presence; 0 where the mask
            is empty [D].
        presences: (E,) float in [0, 1]: probability that the expression's target is in the frame [D].
        expressions: the E expressions.
        name: the frame's file stem, or its index with five digits.
        yuv_frame: see `VideoFrame`.
    """

    index: int
    time: float
    image: Image
    masks: npt.NDArray[np.bool_]
    scores: Floats
    presences: Floats
    expressions: tuple[str, ...]
    name: str
    yuv_frame: av.VideoFrame | None = None

    @cached_property
    def box(self) -> Box:
        """(rows, columns): the part of the frame that holds all masks; without any pixel in a mask it is empty."""
        rows = np.flatnonzero(self.masks.any(axis=(0, 2)))
        if not rows.size:
            return slice(0, 0), slice(0, 0)
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        columns = np.flatnonzero(self.masks[:, top:bottom].any(axis=(0, 1)))
        return slice(top, bottom), slice(int(columns[0]), int(columns[-1]) + 1)

    @cached_property
    def labels(self) -> npt.NDArray[np.uint8]:
        """(h, w) object ids in `box`: 1 to E, 0 background; where masks overlap the best score is on top."""
        return label_map(self.masks[:, *self.box], self.scores)

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """(H, W) bool, of the first expression."""
        mask: npt.NDArray[np.bool_] = self.masks[0]
        return mask

    @property
    def score(self) -> float:
        """Of the first expression, in [0, 1]."""
        return float(self.scores[0])

    @property
    def presence(self) -> float:
        """Of the first expression, in [0, 1]."""
        return float(self.presences[0])


#: what a palette has colours for, beside the background
MAX_OBJECTS = 255


def label_map(masks: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Masks (E, H, W) and their scores (E,) -> object ids (H, W): 1 to E, 0 background, the best score on top.

    Raises:
        UserError: more masks than there are ids.
    """
    if len(masks) > MAX_OBJECTS:
        raise UserError(f"{len(masks)} expressions: a palette image holds {MAX_OBJECTS} objects at most")
    labels = np.zeros(masks.shape[1:], dtype=np.uint8)
    for i in np.argsort(scores, kind="stable"):
        np.copyto(labels, np.uint8(i + 1), where=masks[i])
    return labels
