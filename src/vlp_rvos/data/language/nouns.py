"""What nouns name, and how they are used: categories, heads of phrases, plurals, articles and verbs of motion."""

from __future__ import annotations

import re
from functools import cache

from vlp_rvos.data.language.truth import Truth
from vlp_rvos.data.language.vocabulary import (
    AGELESS_NAMES,
    AMBIGUOUS_GROUPS,
    CATEGORY_NAMES,
    FEMALE_NAMES,
    GENERIC_NOUNS,
    HYPERNYMS,
    HYPONYMS,
    MALE_NAMES,
    MOTION_VERBS,
    PEOPLE,
    PLURAL_ONLY,
    PLURALS,
    RARE_NOUNS,
    VAGUE_HYPERNYMS,
)

__all__ = [
    "called_kind",
    "find_head_noun",
    "indefinite_article",
    "is_a",
    "may_be_one_kind",
    "motion_verbs",
    "names_of",
    "pluralize",
    "possible_categories",
]


def names_of(category: str) -> list[str]:
    """The nouns for a category, the commonest first. A category that the vocabulary lacks is its own name."""
    return CATEGORY_NAMES.get(category, [category])


@cache
def is_a(noun: str, category: str) -> Truth:
    """Whether an object annotated as `category` may be called `noun`; None where people would disagree."""
    if noun in names_of(category) or noun in HYPERNYMS.get(category, ()):
        return True
    if category in PEOPLE and noun in (*FEMALE_NAMES, *MALE_NAMES, *AGELESS_NAMES):
        return None
    if noun in HYPONYMS.get(category, ()) or category in VAGUE_HYPERNYMS.get(noun, ()):
        return None
    for group in AMBIGUOUS_GROUPS:
        if category in group and any(noun in names_of(other) or noun in HYPERNYMS.get(other, ()) for other in group):
            return None
    return False


@cache
def possible_categories(terms: frozenset[str]) -> frozenset[str]:
    """The categories that an object may belong to when these words or phrases are said of it."""
    names = {
        category: {*own, *HYPERNYMS.get(category, ()), *HYPONYMS.get(category, ())}
        for category, own in CATEGORY_NAMES.items()
    }
    names["person"] |= {*FEMALE_NAMES, *MALE_NAMES, *AGELESS_NAMES, "people"}
    return frozenset(category for category, own in names.items() if terms & own)


_SINGULARS = {plural: noun for noun, plural in PLURALS.items()}
_AFTER_THE_HEAD = re.compile(
    r"\s(?:in|on|at|with|of|over|past|behind|to|from|by|dressed|that|who|which|(?!fishing)\w+ing)\b"
)


@cache
def find_head_noun(phrase: str) -> str | None:
    """The noun of the vocabulary that a phrase is about: "the off-road car on a road" -> "car"; None without one."""
    head = _AFTER_THE_HEAD.split(phrase.lower(), maxsplit=1)[0]
    nouns = {name for names in CATEGORY_NAMES.values() for name in names}
    nouns |= {name for names in HYPERNYMS.values() for name in names}
    nouns |= {*FEMALE_NAMES, *MALE_NAMES, *AGELESS_NAMES, *RARE_NOUNS}
    found = [noun for noun in nouns if re.search(rf"(?<![\w-]){re.escape(noun)}$", head)]
    return max(found, key=len, default=None)


@cache
def called_kind(phrase: str) -> str:
    """The word for the kind of thing that a phrase speaks of, known or not: "two newts on moss" -> "newt".

    It is the last word before what follows the noun, in the singular.
    """
    words = re.findall(r"[\w-]+", _AFTER_THE_HEAD.split(phrase.lower(), maxsplit=1)[0])
    word = words[-1] if words else ""
    return _SINGULARS.get(word) or (word[:-1] if word.endswith("s") and not word.endswith("ss") else word)


# Nouns that are said of kinds of things which have nouns of their own.
_BROAD_NOUNS = set(VAGUE_HYPERNYMS).union(*HYPERNYMS.values())


@cache
def may_be_one_kind(noun: str, other: str) -> bool:
    """Whether two nouns may be said of one thing: "cat" and "animal", "boy" and "child", "duck" and "bird".

    A broad noun, such as "animal", may be said of everything that the vocabulary lacks, and "thing" of everything.
    """
    if noun == other or not {noun, other}.isdisjoint(GENERIC_NOUNS):
        return True
    first, second = possible_categories(frozenset({noun})), possible_categories(frozenset({other}))
    if first and second:
        return not first.isdisjoint(second)
    return not {noun, other}.isdisjoint(_BROAD_NOUNS)


def motion_verbs(category: str) -> tuple[str, ...]:
    """The verbs, as participles, for the motion of a category: "bird" -> ("flying", "moving")."""
    for key in (category, *HYPERNYMS.get(category, ())):
        if key in MOTION_VERBS:
            return MOTION_VERBS[key]
    return MOTION_VERBS[""]


def pluralize(noun: str) -> str:
    """The plural of a noun of the vocabulary: "dog" -> "dogs", "person" -> "people"."""
    if noun in PLURAL_ONLY or noun.startswith("pair of"):
        return noun
    return PLURALS.get(noun) or f"{noun}s"


def indefinite_article(words: str) -> str:
    """The article before these words: "dog" -> "a", "orange car" -> "an"."""
    return "an" if words[:1] in "aeiou" and not words.startswith(("one", "uni")) else "a"
