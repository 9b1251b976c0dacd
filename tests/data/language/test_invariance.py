"""Which expressions stay true when a video is mirrored or reversed, or its object moved elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp_rvos.data.language.invariance import holds_in_company, is_portable, mentions_motion, mirror_expression


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("the left dog walking to the right", "the right dog walking to the left"),
        ("Left of the rightmost car", "Right of the leftmost car"),
        ("an ape right behind another one", "an ape right behind another one"),
        ("the bright copyright sign", "the bright copyright sign"),
        ("moving leftwards", "moving rightwards"),
    ],
)
def test_mirror_expression(before: str, after: str) -> None:
    assert mirror_expression(before) == after
    assert mirror_expression(after) == before


WORDS = ("the", "left", "right", "Leftmost", "dog", "clockwise", "behind", "next", "of", "at", "leftwards", "copyright")


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(WORDS)))
def test_mirroring_twice_changes_nothing(words: list[str]) -> None:
    text = " ".join(words)
    assert mirror_expression(mirror_expression(text)) == text


def test_mirrored_turns_go_the_other_way() -> None:
    assert mirror_expression("turning clockwise") == "turning counterclockwise"
    assert mirror_expression("turning counterclockwise") == "turning clockwise"


def test_mentioning_motion() -> None:
    assert mentions_motion("the dog that jumps") is True
    assert mentions_motion("the boat sailing to the left") is True
    assert mentions_motion("the brown furry bear") is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the brown furry bear", True),
        ("a person on a bmx bike", True),
        ("the flamingo in front", False),
        ("the bird standing in the water", False),
        ("the dog that jumps", False),
    ],
)
def test_which_expressions_survive_cutting_out(text: str, expected: bool) -> None:
    assert is_portable(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the green lizard on a branch", True),
        ("the man holding up a fish", True),
        ("the dog in the forest", True),
        ("the lizard on the left", False),
        ("the animal in the middle", False),
        ("the bird furthest to the right", False),
        ("the tallest building", False),
        ("the leftmost cup", False),
        ("both zebras", False),
        ("the only animal", False),
    ],
)
def test_which_expressions_survive_company(text: str, expected: bool) -> None:
    assert holds_in_company(text) is expected
