from __future__ import annotations

import pytest

from vlp_rvos.teaching.lesson_phrases import Said, phrasings, plain_name, said_of, unrelated


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("traffic_cone", "traffic cone"),
        ("the  Widget", "Widget"),
        ("an apple", "apple"),
        ("theatre", "theatre"),
        ("", ""),
    ],
)
def test_names_lose_their_article(label: str, name: str) -> None:
    assert plain_name(label) == name


def test_phrasings_have_the_right_article() -> None:
    assert phrasings("boot") == ["the boot", "a boot", "boot"]
    assert phrasings("old boot")[1] == "an old boot"


def test_a_name_means_all_that_bear_it_and_sides_tell_two_apart() -> None:
    said = said_of([["cone"], ["car"], ["cone"]], [0.9, 0.5, 0.1], ["cone", "car", "bus"], varied=False)
    assert Said("the cone", (0, 2)) in said
    assert Said("the cone on the left", (2,)) in said
    assert Said("the cone on the right", (0,)) in said
    assert Said("the car", (1,)) in said
    assert Said("the bus", ()) in said
    near = said_of([["cone"], ["cone"]], [0.4, 0.5], ["cone"], varied=True)
    assert [x.text for x in near] == ["the cone", "a cone", "cone"]


@pytest.mark.parametrize("varied", [False, True])
def test_no_text_means_two_things(varied: bool) -> None:
    known, centres = ["dog", "dog on the left", "a dog", "Dog"], [0.1, 0.9]
    # The lesson calls the dog on the right so.
    said = said_of([["dog"], ["Dog", "dog on the left"]], centres, known, varied=varied)
    texts = [x.text.casefold() for x in said]
    assert len(set(texts)) == len(texts)
    assert Said("the dog", (0, 1)) in said
    assert Said("the dog on the left", (1,)) in said
    assert Said("the dog on the right", (1,)) in said
    # Where it calls nothing so, nothing is meant.
    said = said_of([["dog"], ["dog"]], centres, known, varied=varied)
    assert [x.members for x in said if x.text == "the dog on the left"] == [()]


def test_unrelated_phrases_share_no_word() -> None:
    assert unrelated(["the red car", "the dog", "the car"], ["toy car"]) == ["the dog"]
