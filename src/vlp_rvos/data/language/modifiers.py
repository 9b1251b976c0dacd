"""Modifiers of a noun ("red", "on the left", "moving away"): how they are said, and which objects they are true of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vlp_rvos.data.language.truth import Truth

__all__ = ["Modifier", "Slot", "draw_modifier", "imagined_modifier"]

Slot = Literal["size", "colour", "rank", "clothing", "place", "relation", "motion"]
"""The kinds of modifiers; an expression has at most one of each kind."""


@dataclass(frozen=True, eq=False)
class Modifier:
    """A modifier: how it is said, and which objects of a scene it is true of.

    Attributes:
        slot: What kind of modifier it is, which decides where it stands in the expression.
        phrases: The ways to say it.
        test: Maps the index of an object to whether the modifier is true of it.
        exclusive: Whether it compares an object with its rivals ("the largest") and so is true of one at most.
        weight: How often a false expression uses it, relative to other modifiers of its slot.
    """

    slot: Slot
    phrases: tuple[str, ...]
    test: Callable[[int], Truth]
    exclusive: bool = False
    weight: float = 1.0


def imagined_modifier(slot: Slot, *phrases: str, weight: float = 1.0) -> Modifier:
    """A modifier of an object that does not exist, so that nothing can be tested."""
    return Modifier(slot, phrases, lambda _: None, weight=weight)


def draw_modifier(modifiers: Sequence[Modifier], rng: np.random.Generator) -> Modifier | None:
    """Draws one of the modifiers by weight, or none.

    All modifiers of one slot together weigh at most 1, and less where there are only a few of small weight. None is
    drawn when the total weight is below 1 and chance wills it.
    """
    totals: dict[Slot, float] = {}
    for modifier in modifiers:
        totals[modifier.slot] = totals.get(modifier.slot, 0.0) + modifier.weight
    weights = np.array([m.weight * min(1.0, 1.0 / totals[m.slot]) for m in modifiers])
    if rng.random() >= weights.sum():
        return None
    return modifiers[int(rng.choice(len(modifiers), p=weights / weights.sum()))]
