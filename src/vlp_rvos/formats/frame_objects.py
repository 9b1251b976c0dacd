"""The objects of one frame as formats list them: run lengths, box, score, track. (H, W) pixels of the video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.rle import Rle, encode_mask

__all__ = ["FrameObject", "frame_objects", "save_jpeg"]

#: No visible loss, and without the halved colour resolution that is usual.
JPEG = {"quality": 95, "subsampling": 0}


@dataclass(frozen=True)
class FrameObject:
    """A mask of one frame that is not empty.

    Attributes:
        track: Number of the expression, counted from 1; the same in all frames.
        expression: The expression.
        score: See `FrameRecord`.
        box: (left, top, width, height) of the mask in pixels.
        area: Pixels of the mask.
        part: (height, width) bool, the mask inside its box.
        rle: The whole mask as compressed run lengths.
    """

    track: int
    expression: str
    score: float
    box: tuple[int, int, int, int]
    area: int
    part: npt.NDArray[np.bool_]
    rle: Rle


def frame_objects(result: FrameRecord) -> Iterator[FrameObject]:
    """The masks of a frame that are not empty, in the order of the expressions."""
    rows, columns = result.box
    size = (result.masks.shape[1], result.masks.shape[2])
    for i, (mask, expression, score) in enumerate(zip(result.masks, result.expressions, result.scores, strict=True)):
        inner = mask[rows, columns]
        ys = np.flatnonzero(inner.any(axis=1))
        if not ys.size:
            continue
        xs = np.flatnonzero(inner.any(axis=0))
        part = inner[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
        top, left = rows.start + int(ys[0]), columns.start + int(xs[0])
        height, width = part.shape
        yield FrameObject(
            track=i + 1,
            expression=expression,
            score=round(float(score), 6),
            box=(left, top, width, height),
            area=int(np.count_nonzero(part)),
            part=part,
            rle=encode_mask(part, (top, left), size),
        )


def save_jpeg(path: Path, image: Image) -> None:
    """Write a frame, (H, W, 3) uint8 RGB. The folder is made if there is none.

    Raises:
        FileExistsError: Two frames have one name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        PillowImage.fromarray(image).save(file, format="JPEG", **JPEG)
