"""The outline of a mask as a polygon, for formats that have no run lengths. Shapes: (h, w) pixels, corners (N, 2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["mask_outline", "simplify"]

#: Steps along the edges of pixels, clockwise on the screen: right, down, left, up.
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def mask_outline(mask: npt.NDArray[np.bool_], tolerance: float = 0.75) -> npt.NDArray[np.float64]:
    """The outer outline of the part of a mask that has the longest reach, without holes.

    Args:
        mask: (h, w) bool, with at least one pixel.
        tolerance: Largest distance of the outline from the edges of the pixels, in pixels.

    Returns:
        (N, 2) float64 x and y of the corners, N >= 3, in pixels: the corners of the upper left pixel are (0, 0) and
        (1, 1). Of several parts, the one whose outline encloses the largest area is taken.
    """
    edges = _edges(mask)
    best, largest = np.zeros((0, 2)), 0.0
    while edges:
        loop = _follow(edges)
        # Outer outlines run clockwise on the screen, holes the other way, which makes their area negative.
        area = _area(loop)
        if area > largest:
            best, largest = loop, area
    return simplify(best, tolerance)


def simplify(corners: npt.NDArray[np.float64], tolerance: float) -> npt.NDArray[np.float64]:
    """Leave out corners of a closed polygon that lie near the line between their neighbours.

    Source: D. Douglas and T. Peucker, Algorithms for the reduction of the number of points required to represent a
    digitized line or its caricature, 1973.
    """
    if len(corners) <= 4:
        return corners
    opposite = int(np.argmax(((corners - corners[0]) ** 2).sum(1)))
    keep = np.zeros(len(corners) + 1, bool)
    closed = np.concatenate([corners, corners[:1]])
    keep[[0, opposite, len(corners)]] = True
    waiting = [(0, opposite), (opposite, len(corners))]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        start, direction = closed[first], closed[last] - closed[first]
        offsets = closed[first + 1 : last] - start
        length = float(np.hypot(*direction))
        if length:
            distances = np.abs(offsets[:, 0] * direction[1] - offsets[:, 1] * direction[0]) / length
        else:
            distances = np.hypot(offsets[:, 0], offsets[:, 1])
        farthest = int(np.argmax(distances))
        if distances[farthest] > tolerance:
            middle = first + 1 + farthest
            keep[middle] = True
            waiting += [(first, middle), (middle, last)]
    found = corners[keep[:-1]]
    return found if len(found) >= 3 else corners


def _edges(mask: npt.NDArray[np.bool_]) -> dict[tuple[int, int], list[int]]:
    """Corner (x, y) -> the steps that lead from it along the mask, which lies to the right of each."""
    padded = np.pad(mask, 1)
    edges: dict[tuple[int, int], list[int]] = {}
    below, above = padded[1:, 1:-1], padded[:-1, 1:-1]
    after, before = padded[1:-1, 1:], padded[1:-1, :-1]
    kinds = (
        (below & ~above, 0, 0, 0),
        (before & ~after, 1, 0, 0),
        (above & ~below, 2, 1, 0),
        (after & ~before, 3, 0, 1),
    )
    for found, step, right, down in kinds:
        ys, xs = np.nonzero(found)
        for x, y in zip((xs + right).tolist(), (ys + down).tolist(), strict=True):
            edges.setdefault((x, y), []).append(step)
    return edges


def _follow(edges: dict[tuple[int, int], list[int]]) -> npt.NDArray[np.float64]:
    """Take one closed line out of the edges. Where two lines touch, it turns right, so that parts stay apart."""
    place = start = next(iter(edges))
    step = edges[place][0]
    corners: list[tuple[int, int]] = []
    previous = -1
    while True:
        choices = edges[place]
        for turn in (1, 0, 3):
            if previous < 0 or (previous + turn) % 4 in choices:
                step = step if previous < 0 else (previous + turn) % 4
                break
        choices.remove(step)
        if not choices:
            del edges[place]
        if step != previous:
            corners.append(place)
        place = place[0] + STEPS[step][0], place[1] + STEPS[step][1]
        previous = step
        if place == start:
            return np.array(corners, np.float64)


def _area(corners: npt.NDArray[np.float64]) -> float:
    x, y = corners.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)
