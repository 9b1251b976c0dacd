"""The tables of words fit together."""

from __future__ import annotations

from vlp_rvos.data.language.vocabulary import (
    AMBIGUOUS_GROUPS,
    BAGS,
    CATEGORY_NAMES,
    FEMALE_GARMENTS,
    HYPERNYMS,
    HYPONYMS,
    MOTION_VERBS,
    PEOPLE,
    PLURAL_ONLY,
    PLURALS,
    STUFF,
    VAGUE_HYPERNYMS,
    split_names,
)


def test_vocabulary_is_consistent() -> None:
    names = {name for group in CATEGORY_NAMES.values() for name in group}
    assert all(names)
    assert {category for group in AMBIGUOUS_GROUPS for category in group} <= set(CATEGORY_NAMES)
    assert set(HYPERNYMS) <= set(CATEGORY_NAMES)


def test_tables_name_known_categories() -> None:
    assert set(CATEGORY_NAMES) >= PEOPLE | STUFF | BAGS | FEMALE_GARMENTS
    assert {category for group in VAGUE_HYPERNYMS.values() for category in group} <= set(CATEGORY_NAMES)
    broader = {noun for nouns in HYPERNYMS.values() for noun in nouns}
    assert set(VAGUE_HYPERNYMS) <= broader
    assert set(HYPONYMS) <= set(CATEGORY_NAMES) | broader
    assert set(MOTION_VERBS) <= {*CATEGORY_NAMES, *broader, ""}


def test_what_is_surely_right_is_not_unclear_too() -> None:
    for noun, categories in VAGUE_HYPERNYMS.items():
        assert not any(noun in HYPERNYMS.get(category, ()) for category in categories)
    for category, nouns in HYPONYMS.items():
        assert not nouns & {*CATEGORY_NAMES.get(category, ()), *HYPERNYMS.get(category, ())}


def test_nouns_without_a_plural_have_none() -> None:
    assert not PLURAL_ONLY & set(PLURALS)


def test_members_of_hypernyms() -> None:
    assert HYPERNYMS["dog"] == ("animal", "pet")
    assert HYPERNYMS["dining table"] == ("piece of furniture",)
    assert HYPERNYMS["orange"] == ("food", "fruit")


def test_splitting_names() -> None:
    assert split_names(" car  bus\n") == {"car", "bus"}
    assert split_names("race car, bus") == {"race car", "bus"}
