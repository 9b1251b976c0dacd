"""Says the expressions of data sets in other words, so that a model meets more words than their annotators used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from vlp_rvos.data.language.nouns import indefinite_article

__all__ = ["paraphrase"]

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


def paraphrase(expression: str, rng: np.random.Generator, siblings: Sequence[str] = ()) -> str:
    """Says an expression in other words.

    Words become synonyms, the article changes, a participle becomes a clause, and the head of one expression may get
    the clause of another.

    Args:
        expression: What a data set says of an object.
        rng: Source of all choices.
        siblings: All expressions of the same object; heads and clauses are exchanged between them.

    Returns:
        An expression in lower case that is true of the same object.
    """
    text = expression.lower().strip()
    if len(siblings) > 1 and rng.random() < 0.3:
        text = _recombine(text, siblings, rng)
    matches = [(words, others) for words, others in _SYNONYMS if _whole_words(words).search(text)]
    # "bike" is no synonym of its own inside "bmx bike".
    matches = [(w, others) for w, others in matches if not any(w != longer and w in longer for longer, _ in matches)]
    for k in rng.permutation(len(matches))[: int(rng.integers(0, 3))]:
        words, others = matches[k]
        text = _whole_words(words).sub(str(rng.choice(others)), text, count=1)
    roll = rng.random()
    bare = re.sub(r"^(the|an|a) ", "", text)
    if bare != text and roll < 0.5:
        text = bare if roll < 0.12 else f"the {bare}" if roll < 0.32 else f"{indefinite_article(bare)} {bare}"
        if bare.split()[0].endswith("s") and not bare.split()[0].endswith("ss") and roll >= 0.32:
            text = f"the {bare}"
    clause = _split_clause(text)
    if clause and rng.random() < 0.2 and not clause[1].startswith(("that", "who", "which")):
        head, participle = clause
        link = rng.choice(["that is", "who is" if _names_person(head) else "which is", "is"])
        text = f"{head} {link} {participle}"
    return re.sub(r"\b(an?) (?=(\w))", lambda m: f"{indefinite_article(m.group(2))} ", text)


@cache
def _whole_words(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(words)}(?![\w-])")


def _names_person(head: str) -> bool:
    return bool(
        set(head.split()) & {"person", "man", "woman", "boy", "girl", "lady", "child", "player", "dancer", "rider"}
    )


def _split_clause(text: str) -> tuple[str, str] | None:
    """("the dog", "running fast") of "the dog running fast"; None where there is no clause."""
    match = _CLAUSE.match(text)
    if match is None or match["clause"].split()[0] in _NOT_A_CLAUSE or len(match["head"].split()) < 2:
        return None
    return match["head"], match["clause"]


def _recombine(text: str, siblings: Sequence[str], rng: np.random.Generator) -> str:
    """A head and a clause drawn from all expressions of an object, or the text itself where none has a clause."""
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
