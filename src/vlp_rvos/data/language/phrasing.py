"""Puts a noun and its modifiers into words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlp_rvos.data.language.colours import COLOUR_WEIGHTS, COLOURS, SPOKEN_COLOURS
from vlp_rvos.data.language.predicates import Attribute, Slot
from vlp_rvos.data.language.vocabulary import HYPERNYMS, PAIRS, VERBS, article_of

__all__ = ["colour_fillers", "drawn", "filler", "say", "verbs_of"]


def filler(slot: Slot, *phrases: str, weight: float = 1.0) -> Attribute:
    """A modifier of which the truth does not matter."""
    return Attribute(slot, phrases, lambda _: None, weight=weight)


def colour_fillers() -> list[Attribute]:
    return [filler("colour", *SPOKEN_COLOURS.get(name, (name,)), weight=COLOUR_WEIGHTS[name]) for name in COLOURS]


def drawn(attributes: Sequence[Attribute], rng: np.random.Generator) -> list[Attribute]:
    """One of the modifiers by their weights, or none: a slot has a weight of 1 at most, and less with few rare ones."""
    totals: dict[Slot, float] = {}
    for attribute in attributes:
        totals[attribute.slot] = totals.get(attribute.slot, 0.0) + attribute.weight
    weights = np.array([a.weight * min(1.0, 1.0 / totals[a.slot]) for a in attributes])
    if rng.random() >= weights.sum():
        return []
    return [attributes[int(rng.choice(len(attributes), p=weights / weights.sum()))]]


def verbs_of(category: str) -> tuple[str, ...]:
    for key in (category, *HYPERNYMS.get(category, ())):
        if key in VERBS:
            return VERBS[key]
    return VERBS[""]


def say(
    noun: str,
    attributes: Sequence[Attribute],
    rng: np.random.Generator,
    article: str | None,
    relative: bool = True,
) -> str:
    """Puts a noun and its modifiers into words: "the small red car on the left that is moving"."""
    said = {a.slot: str(rng.choice(a.phrases)) for a in attributes}
    side = said.get("side", "")
    core = noun
    if "{noun}" in side:
        before, after = side.split("{noun}")
        words = [before.strip(), said.get("size", ""), said.get("colour", ""), noun, after.strip()]
        article = "the" if article else None
    else:
        words = [said.get("size", ""), side, said.get("colour", ""), core]
    head = " ".join(word for word in words if word)
    superlative = any(a.selects for a in attributes)
    if article == "a" and superlative:
        article = "the"
    if article == "a":
        article = article_of(head) if noun not in PAIRS and not noun.startswith("pair") else "the"
    plural = noun in PAIRS or noun in ("trees", "buildings")
    text = f"{article} {head}" if article else head
    tail = [said[slot] for slot in ("wear", "place", "near") if slot in said]
    if tail and relative and rng.random() < 0.15 and not tail[0].startswith(("wearing", "carrying", "furthest")):
        tail[0] = f"that {'are' if plural else 'is'} {tail[0]}" if "motion" not in said else tail[0]
    text = " ".join([text, *tail])
    if "motion" in said:
        phrase = said["motion"]
        roll = rng.random()
        if roll < 0.25:
            phrase = f"that is {phrase}"
        elif roll < 0.4 and not tail:
            phrase = f"is {phrase}"
        elif roll < 0.6 and phrase.split()[0] in _THIRD_PERSON:
            first, *rest = phrase.split()
            phrase = " ".join(["that", _THIRD_PERSON[first], *rest])
        text = f"{text} {phrase}"
    return text


_THIRD_PERSON = {
    "moving": "moves",
    "going": "goes",
    "walking": "walks",
    "running": "runs",
    "driving": "drives",
    "flying": "flies",
    "sailing": "sails",
    "rolling": "rolls",
    "riding": "rides",
    "sliding": "slides",
    "floating": "floats",
    "coming": "comes",
    "approaching": "approaches",
    "standing": "stands",
    "staying": "stays",
    "entering": "enters",
    "leaving": "leaves",
    "spinning": "spins",
    "rotating": "rotates",
    "turning": "turns",
    "swinging": "swings",
    "bouncing": "bounces",
    "jumping": "jumps",
    "getting": "gets",
}
