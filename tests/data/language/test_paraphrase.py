"""Other words for the same object."""

from __future__ import annotations

import re

import numpy as np
import pytest

from vlp_rvos.data.language.colours import COLOURS
from vlp_rvos.data.language.paraphrase import paraphrase


def test_paraphrases_keep_colours_and_sides() -> None:
    siblings = ("a duck", "the brown duck", "the duck swimming to the left", "a mallard floating on the left")
    rng = np.random.default_rng(0)
    found = {paraphrase(siblings[k % 4], rng, siblings) for k in range(200)}
    assert len(found) > 25
    assert all("right" not in text for text in found)
    assert all(re.search("duck|bird|mallard", text) for text in found)
    assert not any(re.search(r"\ba [aeio]|\ban [^aeio]", text) for text in found)


EXPRESSIONS = (
    "The red car turning to the right",
    "a woman in a black dress",
    "the white boat",
    "a person on a bmx bike",
    "the second dog from the left",
    "an orange vessel floating on the sea",
    "the man with the blue trousers who is walking",
    "a small brown duck swimming to the left",
)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_decides_stays(expression: str) -> None:
    """Colours, sides and ordinals are never exchanged, dropped or added."""
    decisive = [*COLOURS, "left", "right", "second", "first"]

    def decisive_words(text: str) -> set[str]:
        return {word for word in decisive if re.search(rf"\b{word}(wards)?\b", text.lower())}

    for seed in range(60):
        assert decisive_words(paraphrase(expression, np.random.default_rng(seed))) == decisive_words(expression)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_paraphrases_differ_and_are_reproducible(expression: str) -> None:
    found = [paraphrase(expression, np.random.default_rng(seed)) for seed in range(60)]
    assert found == [paraphrase(expression, np.random.default_rng(seed)) for seed in range(60)]
    assert len(set(found)) > 2
    assert all(text == text.lower().strip() and "  " not in text for text in found)


def test_articles_follow_the_new_word() -> None:
    found = {paraphrase("an orange vehicle", np.random.default_rng(seed)) for seed in range(80)}
    found |= {paraphrase("a vehicle", np.random.default_rng(seed)) for seed in range(80)}
    assert "an automobile" in found
    assert not any(re.search(r"\ba [aeio]|\ban [^aeio]", text) for text in found)


def test_a_longer_name_is_replaced_as_a_whole() -> None:
    found = {paraphrase("the roller hockey player", np.random.default_rng(seed)) for seed in range(60)}
    assert any("roller skating hockey player" in text for text in found)
    assert not any("roller person" in text for text in found)


def test_heads_and_clauses_of_siblings_are_combined() -> None:
    siblings = ("the brown bear", "an animal walking slowly")
    found = [paraphrase(siblings[0], np.random.default_rng(seed), siblings) for seed in range(200)]
    assert any("bear" in text and "slowly" in text for text in found)
    alone = [paraphrase(siblings[0], np.random.default_rng(seed)) for seed in range(200)]
    assert not any("slowly" in text for text in alone)


def test_clauses_get_the_pronoun_of_their_head() -> None:
    people = [paraphrase("the old man walking slowly", np.random.default_rng(seed)) for seed in range(300)]
    dogs = [paraphrase("the old dog walking slowly", np.random.default_rng(seed)) for seed in range(300)]
    assert any("who is" in text for text in people)
    assert any("which is" in text for text in dogs)
    assert not any("who is" in text for text in dogs)
