"""Colour names of pixels and objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_objects import NO_COLOURS, make_colours

from vlp_rvos.data.language.colours import (
    COLOUR_WEIGHTS,
    COLOURS,
    SIMILAR_COLOURS,
    count_colours,
    has_colour,
    has_two_colours,
    phrases_of,
)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((10, 10, 12), "black"),
        ((245, 245, 245), "white"),
        ((128, 128, 128), "grey"),
        ((200, 20, 20), "red"),
        ((240, 130, 20), "orange"),
        ((240, 220, 30), "yellow"),
        ((30, 150, 40), "green"),
        ((30, 60, 200), "blue"),
        ((120, 40, 190), "purple"),
        ((240, 120, 180), "pink"),
        ((100, 60, 30), "brown"),
        ((225, 205, 165), "beige"),
    ],
)
def test_colour_names(rgb: tuple[int, int, int], name: str) -> None:
    counts = count_colours(np.array([rgb] * 5, dtype=np.uint8))[0]
    assert {n: c for n, c in zip(COLOURS, counts, strict=True) if c} == {name: 5}


def test_colours_of_groups() -> None:
    pixels = np.array([[200, 20, 20], [30, 60, 200], [30, 60, 200]], dtype=np.uint8)
    shares = count_colours(pixels, np.array([0, 1, 1]), 3)
    assert shares.sum(1).tolist() == [1, 2, 0]
    assert shares[1, COLOURS.index("blue")] == 2


def test_colours_are_named_only_when_clear() -> None:
    assert has_colour(make_colours(red=0.8, black=0.2), "red") is True
    assert has_colour(make_colours(red=0.8, black=0.2), "green") is False
    assert has_colour(make_colours(red=0.4, blue=0.6), "red") is None
    assert has_colour(make_colours(red=0.6, blue=0.4), "red") is None
    assert has_colour(make_colours(orange=1.0), "red") is None
    assert has_colour(NO_COLOURS, "red") is None
    assert has_two_colours(make_colours(red=0.5, white=0.5), "white", "red") is True
    assert has_two_colours(make_colours(red=0.5, white=0.5), "blue", "red") is False


def test_every_colour_has_a_name() -> None:
    levels = np.arange(4, 256, 8, dtype=np.uint8)
    pixels = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3)
    counts = count_colours(pixels)[0]
    assert counts.sum() == len(pixels)
    assert (counts > 0).all(), "each name is given"


@settings(deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 1), min_size=len(COLOURS), max_size=len(COLOURS)).filter(lambda shares: sum(shares) > 0.1))
def test_an_object_has_one_colour_at_most(parts: list[float]) -> None:
    shares = np.array(parts) / sum(parts)
    named = [name for name in COLOURS if has_colour(shares, name)]
    assert len(named) <= 1
    assert all(shares[COLOURS.index(name)] >= 0.3 for name in named)
    for name in named:
        assert not any(has_two_colours(shares, name, other) for other in COLOURS if other != name)


def test_white_objects_in_the_shade_are_white() -> None:
    assert has_colour(make_colours(white=0.35, grey=0.65), "white") is True
    assert has_colour(make_colours(white=0.35, black=0.65), "white") is None


def test_two_colours_are_symmetric() -> None:
    for shares in (make_colours(red=0.4, white=0.6), make_colours(red=0.1, white=0.9), NO_COLOURS):
        assert has_two_colours(shares, "red", "white") is has_two_colours(shares, "white", "red")
    assert has_two_colours(NO_COLOURS, "red", "white") is None
    assert has_two_colours(make_colours(red=0.1, white=0.9), "red", "white") is None


def test_tables_hold_every_colour() -> None:
    assert tuple(COLOUR_WEIGHTS) == COLOURS
    assert set(SIMILAR_COLOURS) == set(COLOURS)
    assert all(name not in others and set(others) <= set(COLOURS) for name, others in SIMILAR_COLOURS.items())
    assert phrases_of("grey") == ("grey", "gray")
    assert phrases_of("red") == ("red",)
