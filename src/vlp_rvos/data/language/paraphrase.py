"""Expressions of data sets in other words: mirrored, paraphrased, recombined."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from vlp_rvos.data.language.vocabulary import article_of

__all__ = ["flip_words", "paraphrase", "tells_motion"]

_SIDES = {"left": "right", "right": "left", "leftmost": "rightmost", "rightmost": "leftmost"}
_SIDES |= {"leftwards": "rightwards", "rightwards": "leftwards", "leftward": "rightward", "rightward": "leftward"}
_SIDES |= {"clockwise": "counterclockwise", "counterclockwise": "clockwise"}
# "right behind", "right after": a place in time or depth, not a side
_SIDE_WORD = re.compile(
    rf"\b({'|'.join(_SIDES)})\b(?!\s+(?:behind|after|before|next|in front|above|below|now|away|at the))", re.IGNORECASE
)


def flip_words(expression: str) -> str:
    """The expression of the mirrored picture: left and right change places.

    Example:
        >>> flip_words("the left dog walking to the right")
        'the right dog walking to the left'
    """

    def swap(match: re.Match[str]) -> str:
        word = match.group(0)
        other = _SIDES[word.lower()]
        return other.capitalize() if word[0].isupper() else other

    return _SIDE_WORD.sub(swap, expression)


_SYNONYMS: tuple[tuple[str, tuple[str, ...]], ...] = tuple(
    (words, tuple(others.split("|")))
    for words, others in {
        "bmx bike": "bike|bicycle|bmx bicycle",
        "bicycle": "bike",
        "bike": "bicycle",
        "cyclist": "bike rider|person on a bike",
        "motorcycle": "motorbike",
        "motorbike": "motorcycle",
        "motor scooter": "scooter|moped",
        "boat": "ship|vessel",
        "vessel": "boat|ship",
        "suv": "car|off-road car",
        "jeep": "car|suv",
        "vehicle": "automobile",
        "duck": "bird|water bird",
        "mallard": "duck|wild duck",
        "rhino": "rhinoceros",
        "rhinoceros": "rhino",
        "hiker": "person hiking|walker",
        "dancer": "person dancing|performer",
        "break dancer": "breakdancer",
        "boy": "child|kid",
        "child": "kid",
        "girl": "young woman|lady",
        "woman": "lady|female",
        "lady": "woman",
        "man": "guy|male person",
        "person": "human|individual",
        "tennis player": "person playing tennis",
        "roller hockey player": "hockey player|roller skating hockey player",
        "hockey player": "person playing hockey",
        "stroller": "pram|baby carriage|buggy",
        "pram": "stroller|baby carriage",
        "baby carriage": "stroller|pram",
        "paraglider": "paragliding person|person with a paraglider",
        "windsurfer": "person windsurfing|surfer with a sail",
        "soccer ball": "football|ball",
        "football": "soccer ball|ball",
        "toy train": "model train|small train",
        "model train": "toy train",
        "person on rollerblades": "roller skater|rollerblader|inline skater",
        "roller skater": "rollerblader|inline skater",
        "large": "big|huge",
        "big": "large",
        "small": "little",
        "little": "small",
        "silver": "grey|silver coloured",
        "grey": "gray",
        "colourful": "colorful|multicoloured",
        "trousers": "pants",
        "dark clothes": "dark clothing|a dark outfit",
        "shirt": "top",
        "walking": "going|moving|walking slowly",
        "driving": "moving|going",
        "moving": "going",
        "jumping": "leaping",
        "spinning": "turning|rotating",
        "swimming": "floating",
        "floating": "swimming",
        "carrying": "holding",
        "stones": "rocks",
        "rocks": "stones",
        "road": "street",
        "path": "way",
        "track": "trail",
        "sea": "water|ocean",
        "rolling": "moving",
        "dressed in": "in|wearing",
        "with the": "with a",
        "to the left": "left|towards the left|leftwards",
        "to the right": "right|towards the right|rightwards",
    }.items()
)
_CLAUSE = re.compile(r"^(?P<head>.+?) (?P<clause>(?:that|who|which|\w+ing)\b.*)$")
_NOT_A_CLAUSE = frozenset(
    {"fishing", "paragliding", "sitting", "building", "swing", "clothing", "windsurfing", "riding"}
)
_MOTION_WORDS = re.compile(
    r"\b(left|right|leftwards|rightwards|\w+ing|jumps|takes|flies|walks|runs|moves|turns|goes|comes|down|up|away|"
    r"backwards|forward|forwards|towards|over|along|around|into|out|falls|rises|enters|leaves)\b"
)


def tells_motion(expression: str) -> bool:
    """Whether an expression may say in which direction time runs, so that it is not true of a reversed video."""
    return _MOTION_WORDS.search(expression.lower()) is not None


def paraphrase(expression: str, rng: np.random.Generator, siblings: Sequence[str] = ()) -> str:
    """The same in other words: synonyms, another article, the action of one expression with the head of another.

    Args:
        expression: what a data set says of an object.
        rng: source of all choices.
        siblings: all expressions of the same object; heads and actions are exchanged between them.

    Returns:
        An expression that is true of the same object.
    """
    text = expression.lower().strip()
    if len(siblings) > 1 and rng.random() < 0.3:
        text = _recombine(text, siblings, rng)
    matches = [(w, o) for w, o in _SYNONYMS if _whole(w).search(text)]
    matches = [(w, o) for w, o in matches if not any(w != longer and w in longer for longer, _ in matches)]
    for k in rng.permutation(len(matches))[: int(rng.integers(0, 3))]:
        words, others = matches[k]
        text = _whole(words).sub(str(rng.choice(others)), text, count=1)
    roll = rng.random()
    bare = re.sub(r"^(the|an|a) ", "", text)
    if bare != text and roll < 0.5:
        text = bare if roll < 0.12 else f"the {bare}" if roll < 0.32 else f"{article_of(bare)} {bare}"
        if bare.split()[0].endswith("s") and not bare.split()[0].endswith("ss") and roll >= 0.32:
            text = f"the {bare}"
    clause = _split_clause(text)
    if clause and rng.random() < 0.2 and not clause[1].startswith(("that", "who", "which")):
        text = f"{clause[0]} {rng.choice(['that is', 'who is' if _human(clause[0]) else 'which is', 'is'])} {clause[1]}"
    return re.sub(r"\b(an?) (?=(\w))", lambda m: f"{article_of(m.group(2))} ", text)


@cache
def _whole(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(words)}(?![\w-])")


def _human(head: str) -> bool:
    return bool(
        set(head.split()) & {"person", "man", "woman", "boy", "girl", "lady", "child", "player", "dancer", "rider"}
    )


def _split_clause(text: str) -> tuple[str, str] | None:
    match = _CLAUSE.match(text)
    if match is None or match["clause"].split()[0] in _NOT_A_CLAUSE or len(match["head"].split()) < 2:
        return None
    return match["head"], match["clause"]


def _recombine(text: str, siblings: Sequence[str], rng: np.random.Generator) -> str:
    heads, clauses = [], []
    for sibling in siblings:
        split = _split_clause(sibling.lower())
        heads.append(split[0] if split else sibling.lower())
        if split:
            clauses.append(split[1])
    if not clauses:
        return text
    head, clause = str(rng.choice(heads)), str(rng.choice(clauses))
    return f"{head} {clause}" if " in front" not in head else text
