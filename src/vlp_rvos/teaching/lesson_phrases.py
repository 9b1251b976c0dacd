"""What is said of labelled things: phrasings of their names, and where they lie among others of one name."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    nothing bears is said too, and means nothing. No text is said twice, for it could not mean two things: what the
    lesson itself calls "dog on the left" is that, wherever the dogs are. Names that differ in case alone are one.

    Args:
        names: For each thing, its names without article.
        centres: For each thing, the horizontal position of its centre, in [0, 1].
        known: All names of the lesson.
        varied: Whether every phrasing of a name is said, or only that with "the".
    """
    folded = [{name.casefold() for name in own} for own in names]
    bearers = {name: [k for k, own in enumerate(folded) if name.casefold() in own] for name in known}
    said: dict[str, Said] = {}

    def say(text: str, *members: int) -> None:
        said.setdefault(text.casefold(), Said(text, members))

    for name, members in bearers.items():
        for text in phrasings(name) if varied else phrasings(name)[:1]:
            say(text, *members)
    for name, members in bearers.items():
        if len(members) == 2:
            left, right = sorted(members, key=lambda k: centres[k])
            if centres[right] - centres[left] >= APART:
                say(f"the {name} on the left", left)
                say(f"the {name} on the right", right)
    return list(said.values())


def unrelated(phrases: Sequence[str], taught: Sequence[str]) -> list[str]:
    """The phrases that share no word but the article with a taught name."""
    words = {word for name in taught for word in name.lower().split()}
    return [phrase for phrase in phrases if not words & set(plain_name(phrase).lower().split())]
