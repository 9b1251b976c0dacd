"""Which objects a noun could mean."""

from __future__ import annotations

import numpy as np
import pytest
from scene_objects import make_object, make_track

from vlp_rvos.data.language.objects import Track
from vlp_rvos.data.language.scene import Scene


def people() -> Scene:
    """A person in a dress with a bag, and one of whom nothing is known."""
    return Scene(
        [
            make_object("person", make_track(0.2, size=0.3)),
            make_object("dress", make_track(0.2), owner=0),
            make_object("handbag", make_track(0.25, size=0.1), owner=0),
            make_object("person", make_track(0.8, size=0.3)),
        ]
    )


def test_who_wears_women_s_clothes_is_a_woman() -> None:
    scene = people()
    assert scene.belongings(0) == [1, 2]
    assert scene.belongings(3) == []
    assert scene.is_called("woman", 0) is True
    assert scene.is_called("man", 0) is False
    assert scene.is_called("man", 3) is None
    assert scene.is_called("person", 3) is True


def test_generic_nouns_mean_objects_of_their_own() -> None:
    scene = Scene([*people().objects, make_object("sky", make_track(0.5, 0.1))])
    assert [scene.is_called("object", i) for i in range(5)] == [True, False, False, True, False]
    assert scene.rivals("thing", 0) == [3]


def test_rivals_are_all_that_may_be_meant() -> None:
    placed = (("car", 0.2), ("truck", 0.4), ("dog", 0.8), ("car", 5.0))
    scene = Scene([make_object(category, make_track(x)) for category, x in placed])
    assert scene.rivals("car", 0) == [1], "a truck may be taken for a car; what nobody sees is no rival"
    assert scene.rivals("car") == [0, 1]
    assert scene.rivals("dog", 2) == []


@pytest.mark.parametrize(
    ("expressions", "noun", "expected"),
    [
        (("the duck",), "duck", None),
        (("the duck",), "bird", None),
        (("the duck",), "car", False),
        (("something",), "car", False),
        ((), "car", None),
    ],
)
def test_objects_known_by_expressions_alone(expressions: tuple[str, ...], noun: str, expected: bool | None) -> None:
    scene = Scene([make_object("", make_track(0.5), expressions=expressions)])
    assert scene.is_called(noun, 0) is expected


def test_targets_are_large_and_visible_for_long_enough() -> None:
    shown = np.zeros(8)
    shown[3] = 0.04
    blink = Track(shown, make_track(0.5).centre, make_track(0.5).box)
    scene = Scene(
        [
            make_object("dog", make_track(0.5)),
            make_object("dog", make_track(0.5, size=0.04)),
            make_object("dog", blink),
            make_object("dog", make_track(0.5), referable=False),
            make_object("dog", make_track(5.0)),
        ]
    )
    assert scene.visible == [0, 1, 2, 3]
    assert scene.targets == [0]
    still = Track(np.array([0.04]), np.array([[0.5, 0.5]]), np.array([[0.4, 0.4, 0.6, 0.6]]))
    assert Scene([make_object("dog", still)]).targets == [0], "one frame is enough where there is only one"
