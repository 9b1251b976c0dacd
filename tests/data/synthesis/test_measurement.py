"""Where objects are, and which colours they have."""

from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.data.language.colours import COLOURS
from vlp_rvos.data.synthesis.measurement import measure_colours, measure_tracks


def test_tracks_of_rectangles() -> None:
    labels = np.zeros((3, 10, 20), np.int64)
    labels[0, 2:6, 4:8] = 1
    labels[1, 2:6, 6:10] = 1
    labels[1, 4:6, 6:10] = 2
    membership = np.array([[False, False], [True, False], [True, True]])
    whole, part = measure_tracks(labels, membership)
    assert whole.area == pytest.approx([0.08, 0.08, 0])
    assert whole.centre[:2] == pytest.approx(np.array([[0.3, 0.4], [0.4, 0.4]]))
    assert whole.box[:2] == pytest.approx(np.array([[0.2, 0.2, 0.4, 0.6], [0.3, 0.2, 0.5, 0.6]]))
    assert whole.visible.tolist() == [True, True, False]
    assert part.area == pytest.approx([0, 0.04, 0])
    assert part.box[1] == pytest.approx([0.3, 0.4, 0.5, 0.6])
    assert (whole.box[2] == 0).all()


def test_colours_of_objects_that_share_pixels() -> None:
    pixels = np.array([[[200, 20, 20], [30, 60, 200]], [[30, 60, 200], [128, 128, 128]]], np.uint8)
    labels = np.array([[1, 2], [2, 0]])
    membership = np.array([[False, False, False], [True, False, False], [True, True, False]])
    both, blue, nothing = measure_colours(pixels, labels, membership)
    assert both[COLOURS.index("red")] == pytest.approx(1 / 3)
    assert both[COLOURS.index("blue")] == pytest.approx(2 / 3)
    assert blue[COLOURS.index("blue")] == 1
    assert not nothing.any()
