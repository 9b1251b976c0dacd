from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.data.language.numbers import with_other_number


def other_forms(text: str, number: int) -> set[tuple[str, int] | None]:
    return {with_other_number(text, number, np.random.default_rng(seed)) for seed in range(200)}


@pytest.mark.parametrize(
    "text", ["both dogs", "both of the dogs", "the two dogs", "Two dogs", "all of the two dogs", "both the dogs"]
)
def test_all_ways_to_say_a_number_are_replaced(text: str) -> None:
    found = other_forms(text, 2)
    assert {("the three dogs", 3), ("three dogs", 3), ("all eight dogs", 8)} <= found
    assert {number for _, number in filter(None, found)} == {3, 4, 5, 6, 7, 8}


def test_two_are_both() -> None:
    said = {text for text, number in filter(None, other_forms("the three cups on the two tables", 3)) if number == 2}
    assert said == {"both cups on the two tables", "the two cups on the two tables"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("the dogs", 2),
        ("the dogs beside the three cats", 2),
        ("the men with the three largest hats", 3),
        ("the twofold one", 2),
        ("the car with number two", 2),
        ("a man with two bags and a woman", 2),
        ("both", 2),
        ("both of them", 2),
        ("the two of them on the left", 2),
        ("both of the two dogs", 2),
        ("two of the three dogs", 2),
        ("both the man and the woman", 2),
        ("both a dog and a cat", 2),
        ("the first two dogs", 2),
        ("twenty two dogs", 22),
    ],
)
def test_what_does_not_begin_with_its_number_stays(text: str, number: int) -> None:
    assert other_forms(text, number) == {None}
