"""What is measured of an object."""

from __future__ import annotations

import numpy as np
import pytest
from scene_objects import make_object, make_track

from vlp_rvos.data.language.objects import Motion, Track


@pytest.mark.parametrize(
    ("motion", "moves"),
    [
        (Motion(), False),
        (Motion(dx=0.005), False),
        (Motion(dx=0.05), None),
        (Motion(dx=-0.2), True),
        (Motion(dy=0.2), True),
        (Motion(zoom=1.6), True),
        (Motion(zoom=1 / 1.6), True),
        (Motion(rotation=-90), True),
        (Motion(swing=(0.0, 0.1)), True),
    ],
)
def test_what_moves(motion: Motion, moves: bool | None) -> None:
    assert motion.moves is moves


def test_only_frames_that_show_the_object_count() -> None:
    area = np.array([0.0, 0.04, 0.09, 0.0])
    centre = np.array([[9, 9], [0.2, 0.6], [0.4, 0.5], [9, 9]])
    box = np.array([[0, 0, 0, 0], [0.1, 0.5, 0.3, 0.7], [0.3, 0.3, 0.5, 0.7], [0, 0, 0, 0]])
    track = Track(area, centre, box)
    assert track.visible.tolist() == [False, True, True, False]
    assert track.x_range == pytest.approx((0.2, 0.3, 0.4))
    assert track.y_range == pytest.approx((0.5, 0.55, 0.6))
    assert track.mean_area == pytest.approx(0.065)
    assert track.mean_box == pytest.approx((0.2, 0.4, 0.4, 0.7))
    assert track.displacement == pytest.approx((0.2, -0.1))
    assert track.growth == pytest.approx(1.5)


def test_an_object_out_of_sight_has_neutral_measures() -> None:
    track = make_track(5.0)
    assert not track.visible.any()
    assert (track.mean_area, track.displacement, track.growth) == (0.0, (0.0, 0.0), 1.0)
    assert track.x_range == (0.5, 0.5, 0.5)
    assert track.mean_box == (0.0, 0.0, 0.0, 0.0)


def test_names() -> None:
    assert make_object("car", make_track(0.5)).names == ("car", "automobile")
    assert make_object("person", make_track(0.5), extra_names=("woman",)).names[-1] == "woman"
    assert make_object("", make_track(0.5)).names == ()
    assert make_object("lamp", make_track(0.5)).names == ("lamp",)


def test_mentioned_terms() -> None:
    obj = make_object("", make_track(0.5), expressions=("The race car", "an off-road buggy with lights"))
    assert {"race car", "car", "off-road", "buggy with", "lights", "light"} <= obj.mentioned
    assert "race buggy" not in obj.mentioned
