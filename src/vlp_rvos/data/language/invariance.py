"""Which expressions stay true when their video is mirrored or reversed, or their object is moved or gets company."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["holds_in_company", "is_portable", "mentions_motion", "mirror_expression"]

_MIRRORED = {"left": "right", "leftmost": "rightmost", "leftwards": "rightwards", "leftward": "rightward"}
_MIRRORED |= {"clockwise": "counterclockwise"}
_MIRRORED |= {right: left for left, right in _MIRRORED.items()}
# "right behind", "right after": a place in time or depth, not a side
_SIDE_WORD = re.compile(
    rf"\b({'|'.join(_MIRRORED)})\b(?!\s+(?:behind|after|before|next|in front|above|below|now|away|at the))",
    re.IGNORECASE,
)


def mirror_expression(expression: str) -> str:
    """The expression for the mirrored picture: left and right change places.

    Example:
        >>> mirror_expression("the left dog walking to the right")
        'the right dog walking to the left'
    """

    def swap(match: re.Match[str]) -> str:
        word = match.group(0)
        other = _MIRRORED[word.lower()]
        return other.capitalize() if word[0].isupper() else other

    return _SIDE_WORD.sub(swap, expression)


_MOTION_WORDS = re.compile(
    r"\b(left|right|leftwards|rightwards|\w+ing|jumps|takes|flies|walks|runs|moves|turns|goes|comes|down|up|away|"
    r"backwards|forward|forwards|towards|over|along|around|into|out|falls|rises|enters|leaves)\b"
)


def mentions_motion(expression: str) -> bool:
    """Whether an expression may say how its object moves, so that it may be false of the reversed video."""
    return _MOTION_WORDS.search(expression.lower()) is not None


_SURROUNDINGS = re.compile(
    r" (in front|behind|on the|in the air|in the water|in dark|below|through|across|in circles|with two)\b"
)


@lru_cache(maxsize=4096)
def is_portable(expression: str) -> bool:
    """Whether an expression stays true of an object that is cut out and pasted elsewhere."""
    return not mentions_motion(expression) and _SURROUNDINGS.search(expression.lower()) is None


_PLACES_OR_COMPARES = re.compile(
    r"\b(left|right|middle|cent(er|re)|corner|edge|side|top|bottom|upper|lower|front|back|behind|far|near|close|other|only|"
    r"first|second|third|last|both|all|two|three|most|more|larger|bigger|smaller|taller|\w+most|\w{3,}(?<!for)est)\b"
)


@lru_cache(maxsize=4096)
def holds_in_company(expression: str) -> bool:
    """Whether an expression stays true of an object beside objects of other kinds, which another picture shows.

    It must not say where in the picture the object is, compare it with others, or count.
    """
    return _PLACES_OR_COMPARES.search(expression.lower()) is None
