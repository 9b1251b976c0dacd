"""Results of frames, made up for the tests of what draws and writes them."""

from __future__ import annotations

import numpy as np

from vlp_rvos.media.video_source import VideoInfo
from vlp_rvos.results import FrameResult

EXPRESSIONS = ("the dog that jumps", "a red car")
INFO = VideoInfo("dog.mp4", 64, 48, 10.0, 1.0, 10)


def result(index: int = 0, scores: tuple[float, ...] = (0.9, 0.4), name: str | None = None, **size: int) -> FrameResult:
    """A grey frame; the first mask is a box in its lower half, the others are its lowest quarter."""
    height, width = size.get("height", 48), size.get("width", 64)
    masks = np.zeros((len(scores), height, width), bool)
    masks[0, height // 2 :, width // 4 : width // 2] = True
    for i in range(1, len(scores)):
        masks[i, 3 * height // 4 :, :] = True
    values = np.array(scores, np.float32)
    image = np.full((height, width, 3), 100, np.uint8)
    expressions = (EXPRESSIONS + ("something",) * len(scores))[: len(scores)]
    return FrameResult(index, index / 10, image, masks, values, (1 + values) / 2, expressions, name or f"{index:05d}")


#: Upper left corners of the masks of `result_at`: no mask, masks at two borders, in the middle, cut by two borders.
PLACES = [None, (0, 0), (20, 30), (44, 60)]


def result_at(place: tuple[int, int] | None) -> FrameResult:
    """A frame of noise with two small overlapping masks, the second one frayed; without a place they are empty."""
    rng = np.random.default_rng(0)
    masks = np.zeros((2, 48, 64), bool)
    if place is not None:
        y, x = place
        masks[0, y : y + 9, x : x + 11] = True
        masks[1, y + 2 : y + 12, x + 3 : x + 14] = rng.random(masks[1, y + 2 : y + 12, x + 3 : x + 14].shape) < 0.5
    image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    scores = np.array([0.3, 0.6], np.float32)
    return FrameResult(0, 0.0, image, masks, scores, (1 + scores) / 2, EXPRESSIONS, "00000")
