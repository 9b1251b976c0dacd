"""Measures the objects of a label map: where they are in every frame, and which colours they have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.language.colours import count_colours
from vlp_rvos.data.language.objects import Track
from vlp_rvos.data.synthesis.label_maps import Mask, Pixels

__all__ = ["measure_colours", "measure_tracks"]

Floats = NDArray[np.float64]


def measure_tracks(labels: NDArray[np.integer], membership: Mask) -> list[Track]:
    """Measures where each object is.

    Args:
        labels: (F, H, W) label map with L different labels, 0 .. L - 1.
        membership: (L, K) whether each label belongs to each of K objects.

    Returns:
        K tracks of F frames.
    """
    frames, height, width = labels.shape
    count = len(membership)
    # One bin for each frame and label.
    bins = np.arange(frames)[:, None, None] * count + labels

    def sum_by_object(weights: Floats | None) -> Floats:
        sums = np.bincount(bins.ravel(), weights, minlength=frames * count).reshape(frames, count)
        return np.asarray(sums @ membership.astype(np.float64))

    xs = np.broadcast_to((np.arange(width) + 0.5) / width, labels.shape).ravel()
    ys = np.broadcast_to(((np.arange(height) + 0.5) / height)[:, None], labels.shape).ravel()
    pixels = sum_by_object(None)
    safe = np.maximum(pixels, 1)
    centre = np.stack([sum_by_object(xs) / safe, sum_by_object(ys) / safe], axis=-1)
    area = pixels / (height * width)
    box = np.zeros((frames, membership.shape[1], 4))
    for k in np.flatnonzero(pixels.any(0)):
        mask = membership[labels, k]
        (left, right), (top, bottom) = _extent(mask.any(1)), _extent(mask.any(2))
        box[:, k] = np.stack([left / width, top / height, right / width, bottom / height], -1)
    return [Track(area[:, k], centre[:, k], box[:, k]) for k in range(membership.shape[1])]


def _extent(lines: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(F, n) -> for each row the first true position and the one after the last; 0, 0 where none is true."""
    some = lines.any(1)
    return np.where(some, lines.argmax(1), 0), np.where(some, lines.shape[1] - lines[:, ::-1].argmax(1), 0)


def measure_colours(pixels: Pixels, labels: NDArray[np.integer], membership: Mask) -> Floats:
    """Measures which colours each object has.

    Args:
        pixels: (..., 3) uint8 RGB.
        labels: (...) label of each pixel, 0 .. L - 1.
        membership: (L, K) whether each label belongs to each of K objects.

    Returns:
        (K, len(COLOURS)) shares of the pixels with each colour name, sum 1; all zeros for an object without pixels.
    """
    counts = count_colours(pixels.reshape(-1, 3), labels.reshape(-1), len(membership))
    shares = membership.T.astype(np.float64) @ counts
    total = shares.sum(1, keepdims=True)
    return np.asarray(np.divide(shares, total, out=np.zeros_like(shares), where=total > 0))
