"""What is known of one thing of a scene: its category, track, colours and motion; and what it may be called."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.language.vocabulary import (
    AMBIGUOUS,
    CATEGORY_NAMES,
    FEMALE_NAMES,
    HYPERNYMS,
    HYPONYMS,
    MALE_NAMES,
    PEOPLE,
    RARE_NOUNS,
    VAGUE,
)

__all__ = ["Motion", "Thing", "Track", "Truth", "categories_in", "head_noun", "is_a"]

Floats = NDArray[np.float64]
Truth = bool | None


@dataclass(frozen=True)
class Motion:
    """How a thing moves relative to what stands still, over the whole sample.

    Attributes:
        dx, dy: displacement, in widths and heights of the picture, right and down positive.
        zoom: its last size over its first, camera taken out.
        turn: degrees it turns in the picture plane, clockwise positive.
        swing: (horizontal, vertical) amplitude of a to-and-fro motion, in widths and heights of the picture.
    """

    dx: float = 0.0
    dy: float = 0.0
    zoom: float = 1.0
    turn: float = 0.0
    swing: tuple[float, float] = (0.0, 0.0)

    @property
    def moves(self) -> Truth:
        """True when nobody would call it still, False when nothing moves it."""
        amount = max(
            abs(self.dx), abs(self.dy), *(2 * s for s in self.swing), abs(np.log(self.zoom)) / 3, abs(self.turn) / 300
        )
        return True if amount >= 0.12 else False if amount <= 0.01 else None


@dataclass(frozen=True)
class Track:
    """Where the visible part of a thing is in every frame. Frames without it have area 0.

    Attributes:
        area: (F,) share of the picture.
        centre: (F, 2) x and y, 0 .. 1 of the picture.
        box: (F, 4) left, top, right, bottom, 0 .. 1 of the picture.
    """

    area: Floats
    centre: Floats
    box: Floats

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """(F,) frames in which any of it is visible."""
        return self.area > 0

    @cached_property
    def x(self) -> tuple[float, float, float]:
        """Lowest, mean and highest x of the centre over the frames that show it."""
        return _range(self.centre[self.seen, 0])

    @cached_property
    def y(self) -> tuple[float, float, float]:
        """Lowest, mean and highest y of the centre over the frames that show it."""
        return _range(self.centre[self.seen, 1])

    @cached_property
    def size(self) -> float:
        """Mean share of the picture over the frames that show it."""
        return float(self.area[self.seen].mean()) if self.seen.any() else 0.0

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Mean box over the frames that show it."""
        left, top, right, bottom = self.box[self.seen].mean(0) if self.seen.any() else np.zeros(4)
        return float(left), float(top), float(right), float(bottom)

    @cached_property
    def travel(self) -> tuple[float, float]:
        """Screen displacement (x, y) from the first to the last frame that shows it."""
        centres = self.centre[self.seen]
        if len(centres) < 2:
            return 0.0, 0.0
        dx, dy = centres[-1] - centres[0]
        return float(dx), float(dy)

    @cached_property
    def growth(self) -> float:
        """Last visible area over the first, as a ratio of lengths."""
        areas = self.area[self.seen]
        return float(np.sqrt(areas[-1] / areas[0])) if len(areas) > 1 else 1.0


def _range(values: Floats) -> tuple[float, float, float]:
    return (float(values.min()), float(values.mean()), float(values.max())) if values.size else (0.5, 0.5, 0.5)


@dataclass(frozen=True, eq=False)
class Thing:
    """One thing that expressions can be about.

    Attributes:
        category: a key of `CATEGORY_NAMES` (others are spoken of by their own name), or "" when only `phrases` say
            what it is.
        track: where it is.
        colours: (len(COLOURS),) shares of its pixels, sum 1; zeros where unknown.
        motion: None when unknown (real video).
        owner: index of the person who wears or carries it.
        dressed: of a person, whether the whole of the clothing is in the scene as things owned by it.
        phrases: complete expressions that are known to be true of it, for example from a data set.
        askable: whether it may be asked about; others only count as rivals.
        depth: order of drawing where known: the higher hides the lower.
        by_motion: told from its rivals by how it moves, and by nothing else.
    """

    category: str
    track: Track
    colours: Floats
    motion: Motion | None = Motion()
    owner: int | None = None
    dressed: bool = False
    phrases: tuple[str, ...] = ()
    askable: bool = True
    depth: int | None = None
    by_motion: bool = False
    extra_names: tuple[str, ...] = field(default=())

    @cached_property
    def spoken(self) -> frozenset[str]:
        """All one- and two-word pieces of its phrases."""
        return frozenset(piece for phrase in self.phrases for piece in _pieces(phrase))

    @property
    def names(self) -> tuple[str, ...]:
        return (*CATEGORY_NAMES.get(self.category, [self.category] if self.category else []), *self.extra_names)


def _pieces(phrase: str) -> set[str]:
    words = re.findall(r"[a-z]+(?:-[a-z]+)*", phrase.lower())
    pieces = set(words) | {f"{a} {b}" for a, b in pairwise(words)}
    return pieces | {word[:-1] for word in words if word.endswith("s")}


@cache
def is_a(noun: str, category: str) -> Truth:
    """Whether something annotated as `category` may be called `noun`; None where that is a matter of taste."""
    if noun in CATEGORY_NAMES.get(category, [category]) or noun in HYPERNYMS.get(category, ()):
        return True
    if category in PEOPLE and noun in (*FEMALE_NAMES, *MALE_NAMES, "child", "someone"):
        return None
    if noun in HYPONYMS.get(category, ()) or category in VAGUE.get(noun, ()):
        return None
    for group in AMBIGUOUS:
        if category in group and any(
            noun in CATEGORY_NAMES.get(other, [other]) or noun in HYPERNYMS.get(other, ()) for other in group
        ):
            return None
    return False


@cache
def categories_in(spoken: frozenset[str]) -> frozenset[str]:
    """The categories that something of which these words were said may belong to."""
    words = {
        category: {*names, *HYPERNYMS.get(category, ()), *HYPONYMS.get(category, ())}
        for category, names in CATEGORY_NAMES.items()
    }
    words["person"] |= {*FEMALE_NAMES, *MALE_NAMES, "child", "people"}
    return frozenset(category for category, names in words.items() if spoken & names)


_AFTER_THE_HEAD = re.compile(
    r"\s(?:in|on|at|with|of|over|past|behind|to|from|by|dressed|that|who|which|(?!fishing)\w+ing)\b"
)


@cache
def head_noun(phrase: str) -> str | None:
    """The noun of the vocabulary that a phrase is about: "the off-road car on a road" -> "car"; or None."""
    head = _AFTER_THE_HEAD.split(phrase.lower(), maxsplit=1)[0]
    nouns = {name for names in CATEGORY_NAMES.values() for name in names}
    nouns |= {name for names in HYPERNYMS.values() for name in names}
    nouns |= {*FEMALE_NAMES, *MALE_NAMES, *RARE_NOUNS, "child", "someone"}
    found = [noun for noun in nouns if re.search(rf"(?<![\w-]){re.escape(noun)}$", head)]
    return max(found, key=len, default=None)
