"""What is known of one object of a scene: its category, its track through the frames, its colours and its motion."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.language.modifiers import Slot
from vlp_rvos.data.language.nouns import names_of
from vlp_rvos.data.language.truth import Truth

__all__ = ["Motion", "SceneObject", "Track"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """How an object moves over the whole sample, relative to the background.

    Attributes:
        dx, dy: Displacement in widths and heights of the picture; right and down are positive.
        zoom: Its last size divided by its first, without the zoom of the camera.
        rotation: Rotation in the picture plane in degrees; clockwise is positive.
        swing: Horizontal and vertical amplitude of a to-and-fro motion, in widths and heights of the picture.
    """

    dx: float = 0.0
    dy: float = 0.0
    zoom: float = 1.0
    rotation: float = 0.0
    swing: tuple[float, float] = (0.0, 0.0)

    @property
    def moves(self) -> Truth:
        """True for motion that nobody would overlook, False for (almost) none."""
        amount = max(
            abs(self.dx),
            abs(self.dy),
            *(2 * amplitude for amplitude in self.swing),
            abs(np.log(self.zoom)) / 3,
            abs(self.rotation) / 300,
        )
        return True if amount >= 0.12 else False if amount <= 0.01 else None


@dataclass(frozen=True)
class Track:
    """Where the visible part of an object is in each of F frames.

    Attributes:
        area: (F,) share of the picture that it covers; 0 in frames that do not show it.
        centre: (F, 2) x and y of its centre, as shares of the picture's width and height.
        box: (F, 4) left, top, right and bottom, as shares of the picture's width and height.
    """

    area: Floats
    centre: Floats
    box: Floats

    @cached_property
    def visible(self) -> NDArray[np.bool_]:
        """(F,) whether any part of the object is visible. The other properties use only these frames."""
        return self.area > 0

    @cached_property
    def x_range(self) -> tuple[float, float, float]:
        """Lowest, mean and highest x of the centre."""
        return _range(self.centre[self.visible, 0])

    @cached_property
    def y_range(self) -> tuple[float, float, float]:
        """Lowest, mean and highest y of the centre."""
        return _range(self.centre[self.visible, 1])

    @cached_property
    def mean_area(self) -> float:
        """Mean share of the picture."""
        return float(self.area[self.visible].mean()) if self.visible.any() else 0.0

    @cached_property
    def mean_box(self) -> tuple[float, float, float, float]:
        """Mean left, top, right and bottom."""
        left, top, right, bottom = self.box[self.visible].mean(0) if self.visible.any() else np.zeros(4)
        return float(left), float(top), float(right), float(bottom)

    @cached_property
    def displacement(self) -> tuple[float, float]:
        """How far (x, y) the centre moves on the screen from the first frame to the last one."""
        centres = self.centre[self.visible]
        if len(centres) < 2:
            return 0.0, 0.0
        dx, dy = centres[-1] - centres[0]
        return float(dx), float(dy)

    @cached_property
    def growth(self) -> float:
        """Square root of the last area divided by the first: a ratio of lengths."""
        areas = self.area[self.visible]
        return float(np.sqrt(areas[-1] / areas[0])) if len(areas) > 1 else 1.0


def _range(values: Floats) -> tuple[float, float, float]:
    return (float(values.min()), float(values.mean()), float(values.max())) if values.size else (0.5, 0.5, 0.5)


@dataclass(frozen=True, eq=False)
class SceneObject:
    """An object that expressions can refer to.

    Attributes:
        category: A key of `vocabulary.CATEGORY_NAMES`, or another category, which is then its own name. It is "" where
            only `expressions` say what the object is.
        track: Where it is in every frame.
        colours: (len(COLOURS),) shares of its pixels with each colour name, sum 1; all zeros where unknown.
        motion: How it moves; None where unknown, as in real videos.
        owner: Index of the person who wears or carries it.
        clothes_known: Whether all clothes of this person are objects of the scene, owned by the person.
        expressions: Expressions of a data set that are known to be true of it.
        referable: Whether expressions may refer to it. If not, it only counts as a rival of others.
        depth: Drawing order where known: an object covers those of smaller depth.
        told_by: The kind of modifier that alone may distinguish it from its rivals; None allows all kinds.
        extra_names: Nouns that fit it beyond those of its category, for example "woman".
    """

    category: str
    track: Track
    colours: Floats
    motion: Motion | None = Motion()
    owner: int | None = None
    clothes_known: bool = False
    expressions: tuple[str, ...] = ()
    referable: bool = True
    depth: int | None = None
    told_by: Slot | None = None
    extra_names: tuple[str, ...] = field(default=())

    @cached_property
    def mentioned(self) -> frozenset[str]:
        """All words and pairs of words in its expressions, with the singular of words that end in s."""
        return frozenset(term for expression in self.expressions for term in _terms(expression))

    @property
    def names(self) -> tuple[str, ...]:
        """The nouns it may be called, the commonest first."""
        return (*(names_of(self.category) if self.category else ()), *self.extra_names)


def _terms(expression: str) -> set[str]:
    words = re.findall(r"[a-z]+(?:-[a-z]+)*", expression.lower())
    terms = set(words) | {f"{a} {b}" for a, b in pairwise(words)}
    return terms | {word[:-1] for word in words if word.endswith("s")}
