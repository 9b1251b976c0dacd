from __future__ import annotations

import pytest
import torch

from vlp_rvos.models.number import Number
from vlp_rvos.training.choice_samples import Phrases, join_phrases
from vlp_rvos.training.number_fit import classes_of, fit_number, other_numbers

NUMBERS = {"the": 1, "both": 2, "three": 3, "five": 5}


@pytest.fixture
def phrases() -> Phrases:
    """Forty names after each of the words of `NUMBERS`."""
    torch.manual_seed(0)
    words, names = dict(zip(NUMBERS, torch.randn(len(NUMBERS), 16), strict=True)), torch.randn(40, 16)
    return {
        f"{word} {k}": (torch.stack([state, names[k]]), torch.zeros(4))
        for word, state in words.items()
        for k in range(40)
    }


def said(words: list[str]) -> dict[str, int]:
    return {f"{word} {k}": NUMBERS[word] for word in words for k in range(20)}


def check(number: Number, phrases: Phrases, words: list[str]) -> None:
    """It knows the number of what it has not seen."""
    unseen = [(phrases[f"{word} {k}"], NUMBERS[word]) for word in words for k in range(20, 40)]
    found = number(join_phrases([phrase for phrase, _ in unseen])).argmax(-1)
    assert (found == classes_of(count for _, count in unseen)).float().mean() > 0.9


def test_it_learns_which_word_means_how_many(phrases: Phrases) -> None:
    number = Number(16)
    fit_number(number, phrases, said([*NUMBERS]), {}, seed=0)
    check(number, phrases, [*NUMBERS])


def test_numbers_that_nobody_says_are_learned_from_the_others(phrases: Phrases) -> None:
    number = Number(16)
    fit_number(number, phrases, said(["the", "both"]), said(["three", "five"]), seed=0)
    check(number, phrases, [*NUMBERS])


def test_the_seed_decides_and_the_start_does_not(phrases: Phrases) -> None:
    found = []
    for seed in (1, 1, 2):
        number = Number(16)
        torch.nn.init.normal_(number.value.weight)
        fit_number(number, phrases, said(["the", "both"]), {}, seed)
        found.append(number.value.weight.detach().clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_large_numbers_are_one_class() -> None:
    assert classes_of([1, 2, 3, 4, 9]).tolist() == [0, 1, 2, 3, 3]


def test_other_numbers_are_said_of_several_things_only() -> None:
    texts = {"both dogs on the left": 2, "the dog": 1, "one of the two dogs": 1, "the cats": 3}
    found = other_numbers(texts, 0)
    assert found
    assert all(text.endswith(" dogs on the left") for text in found)
    assert all(number > 2 for number in found.values())
    assert found == other_numbers(texts, 0)
    assert not other_numbers({"the dogs": 2, "the dog": 1}, 0)
