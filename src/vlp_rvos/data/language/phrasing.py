"""Puts a noun and its modifiers into words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlp_rvos.data.language.modifiers import Modifier
from vlp_rvos.data.language.nouns import indefinite_article
from vlp_rvos.data.language.vocabulary import PLURAL_ONLY

__all__ = ["compose_expression"]


def compose_expression(
    noun: str,
    modifiers: Sequence[Modifier],
    rng: np.random.Generator,
    article: str | None,
    allow_relative_clause: bool = True,
) -> str:
    """Puts a noun and its modifiers into words: "the small red car on the left that is moving".

    Args:
        noun: In the form in which it is to be said.
        modifiers: At most one of each slot. One of the slot "rank" may hold "{noun}": "first {noun} from the left".
        rng: Chooses among the phrases of each modifier, and among constructions.
        article: "the", "a" (corrected to "an" or "the" where grammar asks for it), or None.
        allow_relative_clause: Whether a place, relation or clothing may become a clause: "that is on the left".
    """
    chosen = {modifier.slot: str(rng.choice(modifier.phrases)) for modifier in modifiers}
    rank = chosen.get("rank", "")
    if "{noun}" in rank:
        before, after = rank.split("{noun}")
        words = [before.strip(), chosen.get("size", ""), chosen.get("colour", ""), noun, after.strip()]
        article = "the" if article else None
    else:
        words = [chosen.get("size", ""), rank, chosen.get("colour", ""), noun]
    head = " ".join(word for word in words if word)
    if article == "a":
        definite = noun in PLURAL_ONLY or noun.startswith("pair") or any(m.exclusive for m in modifiers)
        article = "the" if definite else indefinite_article(head)
    plural = noun in PLURAL_ONLY or noun in ("trees", "buildings")
    text = f"{article} {head}" if article else head
    tail = [chosen[slot] for slot in ("clothing", "place", "relation") if slot in chosen]
    if (
        tail
        and allow_relative_clause
        and rng.random() < 0.15
        and "motion" not in chosen
        and not tail[0].startswith(("wearing", "carrying", "furthest"))
    ):
        tail[0] = f"that {'are' if plural else 'is'} {tail[0]}"
    text = " ".join([text, *tail])
    if "motion" in chosen:
        text = f"{text} {_vary_participle(chosen['motion'], rng, allow_bare_verb=not tail)}"
    return text


def _vary_participle(phrase: str, rng: np.random.Generator, allow_bare_verb: bool) -> str:
    """Says "moving left" as it is, or as "that is moving left", "is moving left" or "that moves left"."""
    roll = rng.random()
    if roll < 0.25:
        return f"that is {phrase}"
    if roll < 0.4 and allow_bare_verb:
        return f"is {phrase}"
    first, *rest = phrase.split()
    if roll < 0.6 and first in _THIRD_PERSON:
        return " ".join(["that", _THIRD_PERSON[first], *rest])
    return phrase


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
