"""Statements about objects, each clearly true, clearly false or unclear: place, size, motion, relations.

The thresholds are [D] (our decision; `docs/method.md` explains the marks). Between what is clear there is a gap on
purpose: people disagree there.
"""

from __future__ import annotations

import numpy as np

from vlp_rvos.data.language.objects import SceneObject, Track
from vlp_rvos.data.language.truth import Truth, false_if

__all__ = [
    "approaches",
    "enters",
    "horizontal_lead",
    "is_at_bottom",
    "is_at_top",
    "is_behind",
    "is_beside",
    "is_central",
    "is_in_front_of",
    "is_large",
    "is_near",
    "is_on_left",
    "is_on_right",
    "is_small",
    "leaves",
    "moves",
    "moves_along",
    "recedes",
    "rotates",
    "stands_still",
    "swings",
]


# --- place and size --------------------------------------------------------------------------------------------------
def is_on_left(track: Track) -> Truth:
    """Whether it stays in the left part of the picture."""
    if track.mean_box[2] < 0.62:
        return _lies_between(track.x_range, -1.0, 0.40, 0.52)
    return false_if(track.x_range[0] > 0.55)


def is_on_right(track: Track) -> Truth:
    """Whether it stays in the right part of the picture."""
    if track.mean_box[0] > 0.38:
        return _lies_between(track.x_range, 0.60, 2.0, 0.52)
    return false_if(track.x_range[2] < 0.45)


def is_central(track: Track) -> Truth:
    """Whether it stays halfway between left and right."""
    if track.x_range[0] >= 0.4 and track.x_range[2] <= 0.6:
        return True
    return false_if(track.x_range[2] < 0.28 or track.x_range[0] > 0.72)


def is_at_top(track: Track) -> Truth:
    """Whether it stays in the upper part of the picture."""
    return _lies_between(track.y_range, -1.0, 0.36, 0.55)


def is_at_bottom(track: Track) -> Truth:
    """Whether it stays in the lower part of the picture."""
    return _lies_between(track.y_range, 0.66, 2.0, 0.45)


def _lies_between(span: tuple[float, float, float], low: float, high: float, beyond: float) -> Truth:
    """True when the whole span lies in low .. high; False when it lies past `beyond` on the other side."""
    if low <= span[0] and span[2] <= high:
        return True
    return false_if(span[0] > beyond if low < 0 else span[2] < beyond)


def is_small(track: Track) -> Truth:
    """Whether it covers little of the picture."""
    return True if track.mean_area < 0.015 else false_if(track.mean_area > 0.05)


def is_large(track: Track) -> Truth:
    """Whether it covers much of the picture."""
    return True if track.mean_area > 0.2 else false_if(track.mean_area < 0.08)


# --- motion ----------------------------------------------------------------------------------------------------------
def moves(obj: SceneObject) -> Truth:
    """Whether it moves at all, relative to the background."""
    return obj.motion.moves if obj.motion else None


def stands_still(obj: SceneObject) -> Truth:
    """Whether it does not move, relative to the background."""
    moving = moves(obj)
    return None if moving is None else not moving


def moves_along(obj: SceneObject, axis: int, sign: int) -> Truth:
    """Whether it moves in a direction, both relative to the background and on the screen.

    Args:
        obj: The object.
        axis: 0 is horizontal, 1 vertical.
        sign: 1 is right or down, -1 left or up.
    """
    if obj.motion is None:
        return None
    world = sign * (obj.motion.dx, obj.motion.dy)[axis]
    across = abs((obj.motion.dy, obj.motion.dx)[axis])
    screen = sign * obj.track.displacement[axis]
    if world >= 0.14 and screen >= 0.08 and across <= 0.7 * world:
        return True
    return false_if(world <= 0.03 and screen <= 0.12 and max(obj.motion.swing) < 0.05)


def approaches(obj: SceneObject) -> Truth:
    """Whether it comes closer to the camera."""
    if obj.motion is None:
        return None
    if obj.motion.zoom >= 1.35 and obj.track.growth >= 1.2:
        return True
    return false_if(obj.motion.zoom <= 1.05 and obj.track.growth <= 1.2)


def recedes(obj: SceneObject) -> Truth:
    """Whether it moves away from the camera."""
    if obj.motion is None:
        return None
    if obj.motion.zoom <= 0.74 and obj.track.growth <= 0.83:
        return True
    return false_if(obj.motion.zoom >= 0.95 and obj.track.growth >= 0.83)


def rotates(obj: SceneObject) -> Truth:
    """Whether it turns in the picture plane."""
    if obj.motion is None:
        return None
    return True if abs(obj.motion.rotation) >= 50 else false_if(abs(obj.motion.rotation) <= 12)


def swings(obj: SceneObject, axis: int) -> Truth:
    """Whether it moves to and fro along an axis (0 is horizontal, 1 vertical) and not along the other."""
    if obj.motion is None:
        return None
    own, other = obj.motion.swing[axis], obj.motion.swing[1 - axis]
    return True if own >= 0.09 and other < 0.03 else false_if(own <= 0.01)


def enters(obj: SceneObject) -> Truth:
    """Whether it comes into the picture by its own motion."""
    visible = obj.track.visible
    if len(visible) < 2:
        return None
    if not visible[:2].any() and visible[-1] and moves(obj):
        return True
    return false_if(bool(visible.all()) and obj.track.area[0] > 0.6 * obj.track.area[-1])


def leaves(obj: SceneObject) -> Truth:
    """Whether it goes out of the picture by its own motion."""
    visible = obj.track.visible
    if len(visible) < 2:
        return None
    if visible[0] and not visible[-2:].any() and moves(obj):
        return True
    return false_if(bool(visible.all()) and obj.track.area[-1] > 0.6 * obj.track.area[0])


# --- two objects -----------------------------------------------------------------------------------------------------
def is_near(a: Track, b: Track) -> Truth:
    """Whether a stays directly beside b, about as close to the camera."""
    gap_x, gap_y = _gaps(a, b)
    areas = a.mean_area, b.mean_area
    beside = gap_x > -0.02 and gap_y < 0
    if beside and gap_x < 0.05 and max(areas) < 12 * min(areas) and _keep_distance(a, b):
        return True
    return false_if(max(gap_x, gap_y) > 0.15)


def is_beside(a: Track, b: Track, sign: int) -> Truth:
    """Whether a stays on one side of b: left of it where `sign` is -1, right of it where it is 1."""
    lead = sign * (a.x_range[1] - b.x_range[1])
    gap_x, gap_y = _gaps(a, b)
    if lead > 0.08 and gap_x > -0.03 and gap_y < 0.05 and _keep_distance(a, b):
        return True
    outer = 0 if sign < 0 else 2
    return false_if(sign * (a.x_range[outer] - b.x_range[outer]) < -0.02)


def is_behind(a: SceneObject, b: SceneObject) -> Truth:
    """Whether b covers part of a."""
    if a.depth is not None and b.depth is not None and a.depth < b.depth and _overlaps(a.track, b.track):
        return True
    return false_if(max(_gaps(a.track, b.track)) > 0.05)


def is_in_front_of(a: SceneObject, b: SceneObject) -> Truth:
    """Whether a covers part of b."""
    if a.depth is not None and b.depth is not None and a.depth > b.depth and _overlaps(a.track, b.track):
        return True
    return false_if(max(_gaps(a.track, b.track)) > 0.05)


def horizontal_lead(a: Track, b: Track) -> float:
    """How far a stays to the right of b at least, in widths of the picture; negative where it stays to the left.

    0 where they change sides, or where a frame does not show both.
    """
    both = a.visible & b.visible
    if not both.all() or not both.any():
        return 0.0
    distance = a.centre[:, 0] - b.centre[:, 0]
    if distance.min() > 0:
        return float(distance.min())
    return float(distance.max()) if distance.max() < 0 else 0.0


def _gaps(a: Track, b: Track) -> tuple[float, float]:
    """Horizontal and vertical distance between the mean boxes; negative where they overlap."""
    first, second = a.mean_box, b.mean_box
    return max(first[0], second[0]) - min(first[2], second[2]), max(first[1], second[1]) - min(first[3], second[3])


def _keep_distance(a: Track, b: Track) -> bool:
    """Whether the two hardly move relative to each other on the screen."""
    both = a.visible & b.visible
    if both.sum() < min(2, len(both)):
        return False
    distance = a.centre[both] - b.centre[both]
    return bool((np.ptp(distance, axis=0) < 0.12).all())


def _overlaps(a: Track, b: Track) -> bool:
    """Whether the boxes share more than a quarter of a's width and of its height."""
    gap_x, gap_y = _gaps(a, b)
    left, top, right, bottom = a.mean_box
    return -gap_x > 0.25 * (right - left) and -gap_y > 0.25 * (bottom - top)
