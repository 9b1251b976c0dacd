"""The modifiers of expressions as predicates with three answers: clearly true, clearly false, neither (None)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from vlp_rvos.data.language.objects import Thing, Track, Truth

__all__ = [
    "DIRECTIONS",
    "LEFT",
    "PLACES",
    "RIGHT",
    "Attribute",
    "Slot",
    "comes_closer",
    "enters",
    "goes_away",
    "heads",
    "leaves",
    "stays",
    "swings",
    "turns",
    "unless",
]

Slot = Literal["size", "colour", "side", "wear", "place", "near", "motion"]


@dataclass(frozen=True, eq=False)
class Attribute:
    """A modifier: how it is said, and of what it is true.

    Attributes:
        slot: where it stands in the expression; at most one modifier per slot.
        phrases: ways to say it.
        test: index of a thing -> truth.
        selects: true of one thing among the rivals at most, because it compares them ("the largest").
        weight: how eagerly it is said of things that it is false of, relative to others in its slot.
    """

    slot: Slot
    phrases: tuple[str, ...]
    test: Callable[[int], Truth]
    selects: bool = False
    weight: float = 1.0


LEFT = ("on the left", "on the left side", "to the left")
RIGHT = ("on the right", "on the right side", "to the right")
PLACES: tuple[tuple[tuple[str, ...], Callable[[Track], Truth]], ...] = (
    (LEFT, lambda t: _between(t.x, -1.0, 0.40, 0.52) if t.bounds[2] < 0.62 else unless(t.x[0] > 0.55)),
    (RIGHT, lambda t: _between(t.x, 0.60, 2.0, 0.52) if t.bounds[0] > 0.38 else unless(t.x[2] < 0.45)),
    (("in the middle", "in the center", "in the centre of the picture"), lambda t: _middle(t)),
    (("at the top", "in the upper part of the picture"), lambda t: _between(t.y, -1.0, 0.36, 0.55)),
    (("at the bottom", "in the lower part of the picture"), lambda t: _between(t.y, 0.66, 2.0, 0.45)),
)


def unless(false: bool) -> Truth:
    return False if false else None


def _between(span: tuple[float, float, float], low: float, high: float, beyond: float) -> Truth:
    """True when the whole span lies in low .. high; False when it lies past `beyond` on the other side."""
    if low <= span[0] and span[2] <= high:
        return True
    return unless(span[0] > beyond if low < 0 else span[2] < beyond)


def _middle(track: Track) -> Truth:
    if track.x[0] >= 0.4 and track.x[2] <= 0.6:
        return True
    return unless(track.x[2] < 0.28 or track.x[0] > 0.72)


DIRECTIONS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, -1, ("to the left", "left", "towards the left", "leftwards")),
    (0, 1, ("to the right", "right", "towards the right", "rightwards")),
    (1, -1, ("up", "upwards")),
    (1, 1, ("down", "downwards")),
)


def heads(thing: Thing, axis: int, sign: int) -> Truth:
    """Whether it moves along an axis (0 is x) in a direction, in the world and on the screen."""
    if thing.motion is None:
        return None
    world = sign * (thing.motion.dx, thing.motion.dy)[axis]
    across = abs((thing.motion.dy, thing.motion.dx)[axis])
    screen = sign * thing.track.travel[axis]
    if world >= 0.14 and screen >= 0.08 and across <= 0.7 * world:
        return True
    return unless(world <= 0.03 and screen <= 0.12 and max(thing.motion.swing) < 0.05)


def comes_closer(thing: Thing) -> Truth:
    if thing.motion is None:
        return None
    if thing.motion.zoom >= 1.35 and thing.track.growth >= 1.2:
        return True
    return unless(thing.motion.zoom <= 1.05 and thing.track.growth <= 1.2)


def goes_away(thing: Thing) -> Truth:
    if thing.motion is None:
        return None
    if thing.motion.zoom <= 0.74 and thing.track.growth <= 0.83:
        return True
    return unless(thing.motion.zoom >= 0.95 and thing.track.growth >= 0.83)


def turns(thing: Thing) -> Truth:
    if thing.motion is None:
        return None
    return True if abs(thing.motion.turn) >= 50 else unless(abs(thing.motion.turn) <= 12)


def swings(thing: Thing, axis: int) -> Truth:
    if thing.motion is None:
        return None
    own, other = thing.motion.swing[axis], thing.motion.swing[1 - axis]
    return True if own >= 0.09 and other < 0.03 else unless(own <= 0.01)


def enters(thing: Thing) -> Truth:
    seen, moves = thing.track.seen, thing.motion.moves if thing.motion else None
    if len(seen) < 2:
        return None
    if not seen[:2].any() and seen[-1] and moves:
        return True
    return unless(bool(seen.all()) and thing.track.area[0] > 0.6 * thing.track.area[-1])


def leaves(thing: Thing) -> Truth:
    seen, moves = thing.track.seen, thing.motion.moves if thing.motion else None
    if len(seen) < 2:
        return None
    if seen[0] and not seen[-2:].any() and moves:
        return True
    return unless(bool(seen.all()) and thing.track.area[-1] > 0.6 * thing.track.area[0])


def stays(thing: Thing) -> Truth:
    if thing.motion is None:
        return None
    moves = thing.motion.moves
    return None if moves is None else not moves
