"""What is said of labelled things: phrasings of their names, and where they lie among others of one name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Said", "phrasings", "plain_name", "said_of", "unrelated"]

_ARTICLE = re.compile(r"(the|a|an|my|your|our|this|that)\s+", re.IGNORECASE)
#: Two things are told apart by their sides if their centres are at least this share of the width apart.
APART = 0.2


@dataclass(frozen=True)
class Said:
    """One expression about a frame.

    Attributes:
        text: The expression.
        members: Numbers of the things that it means, counted from 0; empty if it means nothing there.
    """

    text: str
    members: tuple[int, ...]


def plain_name(label: str) -> str:
    """A label or an expression without its article, in one line: "the traffic_cone" -> "traffic cone"."""
    text = " ".join(label.replace("_", " ").split())
    return _ARTICLE.sub("", text, count=1) if _ARTICLE.match(text) else text


def phrasings(name: str) -> list[str]:
    """Ways to ask for a name: with "the", with "a", and bare.

    Example:
        >>> phrasings("old boot")
        ['the old boot', 'an old boot', 'old boot']
    """
    article = "an" if name[:1].lower() in "aeiou" else "a"
    return [f"the {name}", f"{article} {name}", name]


def said_of(
    names: Sequence[Sequence[str]], centres: Sequence[float], known: Sequence[str], *, varied: bool
) -> list[Said]:
    """Everything that is said of a frame.

    A name that several things bear means all of them; two of one name are also told apart by their sides. A name that
    nothing bears is said too, and means nothing.

    Args:
        names: For each thing, its names without article.
        centres: For each thing, the horizontal position of its centre, in [0, 1].
        known: All names of the lesson.
        varied: Whether every phrasing of a name is said, or only that with "the".
    """
    bearers: Mapping[str, list[int]] = {
        name: [k for k, own in enumerate(names) if name in own] for name in dict.fromkeys(known)
    }
    said = []
    for name, members in bearers.items():
        texts = phrasings(name) if varied else phrasings(name)[:1]
        said += [Said(text, tuple(members)) for text in texts]
        if len(members) == 2:
            left, right = sorted(members, key=lambda k: centres[k])
            if centres[right] - centres[left] >= APART:
                said += [Said(f"the {name} on the left", (left,)), Said(f"the {name} on the right", (right,))]
    return said


def unrelated(phrases: Sequence[str], taught: Sequence[str]) -> list[str]:
    """The phrases that share no word but the article with a taught name."""
    words = {word for name in taught for word in name.lower().split()}
    return [phrase for phrase in phrases if not words & set(plain_name(phrase).lower().split())]
