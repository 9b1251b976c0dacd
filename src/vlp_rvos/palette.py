"""Several masks as one palette image of object ids. Shapes: E objects, (H, W) pixels of a frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["davis_palette", "label_map"]


def davis_palette() -> npt.NDArray[np.uint8]:
    """(256, 3) colours of object ids, as PASCAL VOC and DAVIS use them: its bits, spread over the channels."""
    ids = np.arange(256)[:, None]
    channels = np.arange(3)
    palette = sum(((ids >> (3 * bit + channels)) & 1) << (7 - bit) for bit in range(3))
    return np.asarray(palette, dtype=np.uint8)


def label_map(masks: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Masks (E, H, W) and their scores (E,) -> object ids (H, W): 1 to E, 0 background, the best score on top."""
    labels = np.zeros(masks.shape[1:], dtype=np.uint8)
    for i in np.argsort(scores, kind="stable"):
        labels[masks[i]] = i + 1
    return labels
