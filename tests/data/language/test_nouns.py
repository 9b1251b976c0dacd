"""What nouns name, and how they are used."""

from __future__ import annotations

import pytest

from vlp_rvos.data.language.nouns import (
    called_kind,
    find_head_noun,
    indefinite_article,
    is_a,
    may_be_one_kind,
    motion_verbs,
    names_of,
    pluralize,
    possible_categories,
)
from vlp_rvos.data.language.vocabulary import CATEGORY_NAMES, HYPERNYMS, PLURAL_ONLY


@pytest.mark.parametrize(
    ("noun", "category", "expected"),
    [
        ("dog", "dog", True),
        ("animal", "dog", True),
        ("dog", "cat", False),
        ("vehicle", "car", True),
        ("vehicle", "dog", False),
        ("truck", "car", None),
        ("man", "person", None),
        ("duck", "bird", None),
        ("duck", "dog", False),
        ("shoes", "boots", True),
        ("dress", "skirt", None),
        ("dress", "boots", False),
    ],
)
def test_is_a(noun: str, category: str, expected: bool | None) -> None:
    assert is_a(noun, category) is expected


@pytest.mark.parametrize("category", CATEGORY_NAMES)
def test_every_object_is_what_its_category_is_called(category: str) -> None:
    assert all(is_a(noun, category) for noun in (*names_of(category), *HYPERNYMS.get(category, ())))
    assert is_a("submarine yacht", category) is False


def test_a_category_that_the_vocabulary_lacks_is_its_own_name() -> None:
    assert names_of("lamp") == ["lamp"]
    assert is_a("lamp", "lamp") is True
    assert names_of("person")[0] == "person"


def test_categories_that_words_leave_possible() -> None:
    assert possible_categories(frozenset({"the", "red", "suv"})) == {"car", "truck"}
    assert possible_categories(frozenset({"lady"})) == {"person"}
    assert {"dog", "cat", "cow"} < possible_categories(frozenset({"animal"}))
    assert possible_categories(frozenset({"red"})) == frozenset()


@pytest.mark.parametrize(
    ("phrase", "noun"),
    [
        ("the off-road car turning around the bend", "car"),
        ("a small silver suv driving on a mountain road", None),
        ("the white fishing boat", "boat"),
        ("a person on a bmx bike", "person"),
        ("A teddy bear", "teddy bear"),
        ("a tennis player", None),
    ],
)
def test_head_nouns(phrase: str, noun: str | None) -> None:
    assert find_head_noun(phrase) == noun


def test_the_longest_noun_is_the_head() -> None:
    assert find_head_noun("the stuffed teddy bear") == "teddy bear"
    assert find_head_noun("a bear") == "bear"
    assert find_head_noun("the overbus") is None, "only whole words count"


def test_verbs_of_motion() -> None:
    assert motion_verbs("bird") == ("flying", "moving")
    assert motion_verbs("dog")[0] == "walking", "as all animals"
    assert motion_verbs("chair") == motion_verbs("") == ("moving", "sliding", "going")


def test_articles_and_plurals() -> None:
    assert [indefinite_article(w) for w in ("dog", "orange car", "animal", "unicycle")] == ["a", "an", "an", "a"]
    assert [pluralize(w) for w in ("dog", "person", "sheep", "shoes", "bus")] == [
        "dogs", "people", "sheep", "shoes", "buses",
    ]  # fmt: skip


@pytest.mark.parametrize("noun", sorted({noun for names in CATEGORY_NAMES.values() for noun in names}))
def test_plurals_differ_unless_the_noun_is_one(noun: str) -> None:
    same = pluralize(noun) == noun
    assert same == (noun in PLURAL_ONLY or noun.startswith("pair of") or noun in ("sheep", "aircraft"))


@pytest.mark.parametrize(
    ("phrase", "word"),
    [
        ("the two spotted newts on the moss", "newt"),
        ("The Komodo dragon walking with something in its mouth", "dragon"),
        ("both buses", "bus"),
        ("the glass of water", "glass"),
        ("someone", "someone"),
        ("the two boys in caps", "boy"),
        ("people", "person"),
        ("in the middle", "middle"),
        ("", ""),
    ],
)
def test_called_kinds(phrase: str, word: str) -> None:
    """Unlike `find_head_noun`, words that the vocabulary lacks count too."""
    assert called_kind(phrase) == word


@pytest.mark.parametrize(
    ("noun", "other", "expected"),
    [
        ("newt", "newt", True),
        ("boy", "person", True),
        ("kid", "woman", True),
        ("cat", "animal", True),
        ("cat", "dog", False),
        ("duck", "bird", True),
        ("cat", "vehicle", False),
        ("woman", "car", False),
        ("newt", "animal", True),
        ("newt", "dog", False),
        ("newt", "thing", True),
        ("dog", "object", True),
    ],
)
def test_nouns_that_may_be_said_of_one_thing(noun: str, other: str, expected: bool) -> None:
    assert may_be_one_kind(noun, other) is expected
    assert may_be_one_kind(other, noun) is expected
