"""Kinds of expressions by their words."""

from __future__ import annotations

import pytest

from vlp_rvos.evaluation.word_kinds import WORD_KINDS, kind_by_words


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("name", ["the dog", "umbrella", "the baseball glove", "the dining table", "the orange", "The Second"]),
        ("order or count", ["second car from the left", "The  LAST one", "the only cow", "the taller of the two"]),
        (
            "relation",
            [
                "the car next to the red one",
                "the man behind the fence on the right",
                "cup on the table",
                "the woman closest to the bus",
                "the glass to the right of the bottle",
            ],
        ),
        (
            "position",
            [
                "the car on the left",
                "person in the top right corner",
                "the chair closest to the camera",
                "cup on the far right",
                "the person at the back in a red shirt",
                "the leftmost dog",
            ],
        ),
        ("colour or attribute", ["the red car", "woman in a hat", "the tallest giraffe", "the boy with a bat"]),
        ("action", ["the man riding", "the player who is about to swing", "the smiling boy"]),
        ("other", ["the driver of kart 99"]),
    ],
)
def test_rules(kind: str, texts: list[str]) -> None:
    assert {text: kind_by_words(text) for text in texts} == dict.fromkeys(texts, kind)
    assert kind in WORD_KINDS


def test_groups_are_known_by_what_they_mean() -> None:
    assert kind_by_words("both red cars on the left", 2) == "group"
    assert kind_by_words("both red cars", 0) == "colour or attribute"
    assert len(set(WORD_KINDS)) == len(WORD_KINDS) == 8
