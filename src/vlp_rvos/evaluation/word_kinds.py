"""Kinds of expressions by the words in them: what a model must understand to choose the right thing. [D]

Simple rules, meant to split a table of scores and not to parse English. The first kind that fits counts:

1. `group`: the expression means several things;
2. `order or count`: "second from the left", "counting", "last", "the only";
3. `relation`: to another thing, as in "next to", "behind the", "left of", "on the table", "between";
4. `position`: in the picture, as in "on the left", "in the middle", "at the back", "nearest to the camera";
5. `colour or attribute`: a colour, size or material, "with", "without", "wearing", "in a blue shirt";
6. `action`: a word that ends in -ing, or a clause that begins with "who", "that" or "whose";
7. `name`: at most three words besides an article;
8. `other`.
"""

from __future__ import annotations

import re

from vlp_rvos.data.language.colours import COLOUR_SYNONYMS, COLOURS

__all__ = ["WORD_KINDS", "kind_by_words"]

GROUP, NAME, OTHER = "group", "name", "other"
MAX_NAME_WORDS = 3

_PLACE = (
    r"(?:far |very |near |upper |lower |top |bottom |left |right )*"
    r"(?:left|right|top|bottom|middle|center|centre|corner|edge|back|background|front|foreground|side|far|distance)\b"
)
_COLOUR_WORDS = "|".join({*COLOURS, *(word for words in COLOUR_SYNONYMS.values() for word in words)})
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "order or count",
        re.compile(
            r"\b(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|\d+(?:st|nd|rd|th)|last|counting"
            r"|counted|only|single|one of|two|three|four|five|six|seven|eight|nine|ten)\b"
        ),
    ),
    (
        "relation",
        re.compile(
            r"\b(?:next to|beside|besides|alongside|between|among|under|underneath|beneath|below|above|over|atop|inside"
            r"|behind|against|opposite|around|in front of|on top of|by the|held by|of the one|than the"
            r"|(?:left|right|ahead) of)\b"
            r"|\b(?:near|nearer|nearest|close|closer|closest|farther|farthest|further|away)(?: to| from)? "
            rf"(?:the |a |an |his |her )(?!(?:camera|viewer|lens|photographer)\b|{_PLACE})"
            rf"|\bon (?:the |a |an |his |her |its |their )(?!{_PLACE})"
        ),
    ),
    (
        "position",
        re.compile(
            r"\b(?:left|right|leftmost|rightmost|top|topmost|bottom|upper|lower|uppermost|lowermost|middle|center|centre"
            r"|central|corner|edge|back|background|rear|front|foreground|far|farther|farthest|further|near|nearer"
            r"|nearest|close|closer|closest|camera|distance|distant)\b"
        ),
    ),
    (
        "colour or attribute",
        re.compile(
            rf"\b(?:{_COLOUR_WORDS}|gold|golden|silver|dark|pale|bright|colou?red|striped|spotted|plaid|patterned"
            r"|big|bigger|biggest|large|larger|largest|small|smaller|smallest|little|tiny|tall|taller|tallest|short"
            r"|shorter|shortest|long|longer|longest|wide|narrow|thin|thick|round|square|old|young|older|younger|bald"
            r"|wooden|metal|plastic|leather|with|without|wearing|wears|dressed"
            r"|in (?:a|an|the|his|her|their))\b"
        ),
    ),
    (
        "action",
        re.compile(
            r"\b(?!(?:building|ceiling|clothing|dining|king|morning|evening|painting|parking|railing|ring|sling|spring"
            r"|string|swing|thing|wedding|wing)\b)\w+ing\b|\b(?:who|that|whose|which)\b"
        ),
    ),
)
WORD_KINDS = (NAME, *(kind for kind, _ in reversed(_RULES)), GROUP, OTHER)
"""All kinds, as tables list them."""


def kind_by_words(text: str, things: int = 1) -> str:
    """The kind of an expression, one of `WORD_KINDS`.

    Args:
        text: the expression.
        things: number of things that it means; 0 for what is absent, which is never a `group`.
    """
    if things > 1:
        return GROUP
    words = " ".join(text.lower().split())
    name = re.sub(r"^(?:the|a|an) ", "", words).split()
    for kind, pattern in _RULES:
        # A single word is a name, whatever else it may mean: "the orange", "the glass".
        if len(name) > 1 and pattern.search(words):
            return kind
    return NAME if len(name) <= MAX_NAME_WORDS else OTHER
