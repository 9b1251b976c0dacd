"""Numbers in expressions about several things: "both dogs", "the two dogs", "all three dogs"."""

from __future__ import annotations

import re

import numpy as np

__all__ = ["with_other_number"]

#: Spoken numbers, from two on.
SPOKEN = ("two", "three", "four", "five", "six", "seven", "eight")
NUMBERS = {"both": 2} | {word: number for number, word in enumerate(SPOKEN, 2)}
#: "both of the", "the two", "all three of the" at the beginning, where a number is that of the things that are meant.
NUMBER = re.compile(rf"(?:all )?(?:of )?(?:the )?({'|'.join(NUMBERS)})(?: of the| the)?(?= )", re.IGNORECASE)
#: What may not follow: "both of them", "two of the three dogs", "both a dog and a cat".
OTHERWISE = re.compile(rf" (?:of|a|an|the|them|these|those|{'|'.join(NUMBERS)})\b", re.IGNORECASE)


def with_other_number(text: str, number: int, rng: np.random.Generator) -> tuple[str, int] | None:
    """An expression about several things, as it is said of another number of them.

    Args:
        text: the expression, such as "the two dogs on the left".
        number: how many things it means.
        rng: source of the other number and of the way to say it.

    Returns:
        The changed expression, such as "all five dogs on the left", and its number; None where the expression does not
        begin with its number, or would be wrong with another one.
    """
    said = NUMBER.match(text)
    if said is None or NUMBERS[said[1].lower()] != number or OTHERWISE.match(text, said.end()):
        return None
    if said[1].lower() == "both" and " and " in text:
        return None
    other = int(rng.choice([n for n in range(2, 2 + len(SPOKEN)) if n != number]))
    word = SPOKEN[other - 2]
    forms = ["both", "the two"] if other == 2 else [f"the {word}", word, f"all {word}"]
    return f"{rng.choice(forms)}{text[said.end() :]}", other
