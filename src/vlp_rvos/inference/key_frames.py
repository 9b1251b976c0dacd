"""Which frames of a clip get candidates of their own: where little moves, those of their neighbours serve too. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: (H, W) pixels of a frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Image

__all__ = ["find_key_frames"]

#: Rows and columns of the small pictures that are compared.
ROWS, COLUMNS = 14, 24
#: Number of pixels that are read of the shorter side.
READ = 144
#: Largest change from the last frame with candidates at which a frame may do without: they are proposed in 68 % of the
#: frames of the held-out videos, which have 24 frames a second, and in 91 % of those of the held-out clips, which have
#: two. With 0.12 in 64 and 87 %, with masks as good in the videos and somewhat worse in the clips.
LITTLE = 0.10
#: Smallest deviation of brightness, of 255, by which one is divided.
LEAST_CONTRAST = 1.0


def find_key_frames(images: Sequence[Image], every: int) -> list[bool]:
    """Choose the frames of a clip in which candidates are proposed.

    Args:
        images: the frames (H, W, 3) uint8 RGB.
        every: largest distance between two chosen frames; 1 chooses all.

    Returns:
        For each frame, whether it is chosen; the first one is.
    """
    if every == 1:
        return [True] * len(images)
    chosen: list[bool] = []
    since, latest = 0, None
    for image in images:
        small = _small(image)
        since += 1
        chosen.append(latest is None or since >= every or _difference(latest, small) > LITTLE)
        if chosen[-1]:
            since, latest = 0, small
    return chosen


def _difference(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    """Mean distance of two small pictures: 0 for the same, about 1 for another scene."""
    if first.shape != second.shape:
        return float("inf")
    return float(np.abs(first - second).mean())


def _small(image: Image) -> npt.NDArray[np.float32]:
    """The green channel of a frame (H, W, 3) as the means of a grid of cells, with mean 0 and deviation 1."""
    step = max(1, min(image.shape[:2]) // READ)
    green = image[step // 2 :: step, step // 2 :: step, 1].astype(np.float32)
    rows, columns = (
        np.linspace(0, side, min(side, cells) + 1).astype(int)[:-1]
        for side, cells in zip(green.shape, (ROWS, COLUMNS), strict=True)
    )
    sums = np.add.reduceat(np.add.reduceat(green, rows, 0), columns, 1)
    heights, widths = (np.diff(np.append(at, side)) for at, side in zip((rows, columns), green.shape, strict=True))
    means = sums / (heights[:, None] * widths)
    scaled: npt.NDArray[np.float32] = ((means - means.mean()) / max(float(means.std()), LEAST_CONTRAST)).astype(
        np.float32
    )
    return scaled
