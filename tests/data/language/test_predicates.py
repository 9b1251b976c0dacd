"""Statements about constructed objects are true, false or unclear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_objects import make_object, make_track

from vlp_rvos.data.language.objects import Motion, Track
from vlp_rvos.data.language.predicates import (
    approaches,
    enters,
    horizontal_lead,
    is_at_bottom,
    is_at_top,
    is_behind,
    is_beside,
    is_central,
    is_in_front_of,
    is_large,
    is_near,
    is_on_left,
    is_on_right,
    is_small,
    leaves,
    moves,
    moves_along,
    recedes,
    rotates,
    stands_still,
    swings,
)


@pytest.mark.parametrize(
    ("x", "left", "central", "right"),
    [(0.2, True, False, False), (0.45, None, True, False), (0.55, False, True, None), (0.8, False, False, True)],
)
def test_sides(x: float, left: bool | None, central: bool | None, right: bool | None) -> None:
    track = make_track(x, size=0.1)
    assert (is_on_left(track), is_central(track), is_on_right(track)) == (left, central, right)


@pytest.mark.parametrize(("y", "top", "bottom"), [(0.2, True, False), (0.5, None, None), (0.8, False, True)])
def test_heights(y: float, top: bool | None, bottom: bool | None) -> None:
    track = make_track(0.5, y, size=0.1)
    assert (is_at_top(track), is_at_bottom(track)) == (top, bottom)


places = st.floats(0.05, 0.95)


@settings(deadline=None, derandomize=True)
@given(places, places, places, places, st.floats(0.05, 0.9))
def test_nothing_is_in_two_places(x: float, y: float, to_x: float, to_y: float, size: float) -> None:
    track = make_track(x, y, size, to=(to_x, to_y))
    if is_on_left(track):
        assert is_on_right(track) is False
    if is_on_right(track):
        assert is_on_left(track) is False
    if is_at_top(track):
        assert is_at_bottom(track) is False
    if is_at_bottom(track):
        assert is_at_top(track) is False
    assert not (is_small(track) and is_large(track))


def test_what_crosses_the_picture_has_no_side() -> None:
    track = make_track(0.1, size=0.1, to=(0.9, 0.5))
    assert [test(track) for test in (is_on_left, is_central, is_on_right)] == [None, None, None]


def test_what_is_wide_is_on_no_side() -> None:
    wide = Track(np.array([0.5]), np.array([[0.38, 0.5]]), np.array([[0.0, 0.2, 0.76, 0.8]]))
    assert is_on_left(wide) is None


@pytest.mark.parametrize(
    ("size", "small", "large"), [(0.1, True, False), (0.2, None, False), (0.35, False, None), (0.5, False, True)]
)
def test_sizes(size: float, small: bool | None, large: bool | None) -> None:
    track = make_track(0.5, size=size)
    assert (is_small(track), is_large(track)) == (small, large)


def test_directions() -> None:
    left = make_object("dog", make_track(0.7, to=(0.3, 0.5)), Motion(dx=-0.4))
    assert (moves_along(left, 0, -1), moves_along(left, 0, 1), moves_along(left, 1, 1)) == (True, False, False)
    assert moves_along(make_object("dog", make_track(0.5)), 0, -1) is False
    followed = make_object("dog", make_track(0.5), Motion(dx=-0.4))
    assert moves_along(followed, 0, -1) is None, "the camera goes with it: not clear to the eye"
    passed = make_object("dog", make_track(0.7, to=(0.4, 0.5)), Motion())
    assert moves_along(passed, 0, -1) is None, "only the camera moves: neither clear"
    assert moves_along(replace(left, motion=None), 0, -1) is None


@settings(deadline=None, derandomize=True)
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_nothing_moves_in_two_directions(dx: float, dy: float, seen_dx: float, seen_dy: float) -> None:
    obj = make_object("dog", make_track(0.5, to=(0.5 + seen_dx, 0.5 + seen_dy), size=0.1), Motion(dx=dx, dy=dy))
    ways = [moves_along(obj, axis, sign) for axis in (0, 1) for sign in (-1, 1)]
    assert ways.count(True) <= 1
    if True in ways:
        assert stands_still(obj) is False
        opposite = {0: 1, 1: 0, 2: 3, 3: 2}[ways.index(True)]
        assert ways[opposite] is False


def test_other_motions() -> None:
    grows = make_object("dog", make_track(0.5, zoom=2), Motion(zoom=2))
    shrinks = make_object("dog", make_track(0.5, zoom=0.5), Motion(zoom=0.5))
    assert (approaches(grows), recedes(grows)) == (True, False)
    assert (approaches(shrinks), recedes(shrinks)) == (False, True)
    assert rotates(make_object("dog", make_track(0.5), Motion(rotation=90))) is True
    assert rotates(make_object("dog", make_track(0.5), Motion(rotation=30))) is None
    assert swings(make_object("dog", make_track(0.5), Motion(swing=(0.15, 0.0))), 0) is True
    assert swings(make_object("dog", make_track(0.5)), 0) is False
    assert (stands_still(make_object("dog", make_track(0.5))), stands_still(grows)) == (True, False)
    assert stands_still(make_object("dog", make_track(0.5), Motion(dx=0.05))) is None
    enter = make_object("dog", make_track(-0.5, to=(0.5, 0.5)), Motion(dx=1.0))
    leave = make_object("dog", make_track(0.5, to=(1.5, 0.5)), Motion(dx=1.0))
    assert (enters(enter), leaves(enter)) == (True, None)
    assert (enters(leave), leaves(leave)) == (None, True)
    assert (enters(grows), leaves(grows)) == (None, False)


def test_unknown_motion_is_unclear() -> None:
    obj = make_object("dog", make_track(0.5), None)
    tests = (moves, stands_still, approaches, recedes, rotates)
    assert [test(obj) for test in tests] == [None] * len(tests)
    assert swings(obj, 0) is None


def test_one_picture_shows_nobody_enter() -> None:
    still = Track(np.array([0.04]), np.array([[0.5, 0.5]]), np.array([[0.4, 0.4, 0.6, 0.6]]))
    assert enters(make_object("dog", still)) is None
    assert leaves(make_object("dog", still)) is None


def test_neighbours() -> None:
    dog, cat, far = make_track(0.3), make_track(0.52), make_track(0.9)
    assert (is_near(dog, cat), is_near(cat, dog)) == (True, True)
    assert is_near(dog, far) is False
    assert is_near(dog, make_track(0.6)) is None, "not close, not far"
    assert is_near(dog, make_track(0.32)) is None, "one above the other in the picture: not beside"
    assert is_near(dog, make_track(0.52, 0.4, to=(0.52, 0.6))) is None, "it does not stay there"
    assert is_near(make_track(0.405, size=0.01), cat) is not True, "far smaller: far behind"


def test_sides_of_another_object() -> None:
    dog, cat = make_track(0.3), make_track(0.55)
    assert (is_beside(dog, cat, -1), is_beside(dog, cat, 1)) == (True, False)
    assert (is_beside(cat, dog, 1), is_beside(cat, dog, -1)) == (True, False)
    assert is_beside(dog, make_track(0.55, 0.9), -1) is None, "to the left, but far above"
    assert is_beside(dog, dog, 1) is None


def test_covering() -> None:
    tree = make_object("potted plant", make_track(0.5, size=0.3), depth=1)
    dog = make_object("dog", make_track(0.6, size=0.3), depth=0)
    assert (is_behind(dog, tree), is_in_front_of(dog, tree)) == (True, None)
    assert (is_behind(tree, dog), is_in_front_of(tree, dog)) == (None, True)
    away = make_object("dog", make_track(0.9, size=0.1), depth=0)
    assert (is_behind(away, tree), is_in_front_of(away, tree)) == (False, False)
    unknown = replace(dog, depth=None)
    assert (is_behind(unknown, tree), is_in_front_of(tree, unknown)) == (None, None)


def test_leads() -> None:
    left, right = make_track(0.2), make_track(0.7, to=(0.5, 0.5))
    assert horizontal_lead(right, left) == pytest.approx(0.3)
    assert horizontal_lead(left, right) == pytest.approx(-0.3)
    assert horizontal_lead(left, make_track(0.1, to=(0.6, 0.5))) == 0.0, "they change sides"
    assert horizontal_lead(left, make_track(0.9, to=(1.5, 0.5))) == 0.0, "one leaves the picture"
