"""Pictures of the worst cases."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from vlp_rvos.evaluation.case_pictures import PREDICTED_COLOUR, TRUE_COLOUR, draw_masks


def test_pictures() -> None:
    frame = np.full((60, 80, 3), 200, np.uint8)
    prediction, truth = np.zeros((2, 60, 80), bool)
    prediction[10:30, 10:30], truth[10:30, 40:60] = True, True
    pixels = np.asarray(Image.open(io.BytesIO(draw_masks(frame, prediction, truth)))).astype(int)
    assert abs(pixels[20, 20] - (200 + PREDICTED_COLOUR) // 2).max() < 25
    assert abs(pixels[50, 70] - 200).max() < 10
    assert abs(pixels[20, 50] - 200).max() < 25
    edge = pixels[20, 38:43] - TRUE_COLOUR
    assert abs(edge).sum(axis=1).min() < 150
    large = draw_masks(np.zeros((100, 1000, 3), np.uint8), np.zeros((101, 1000), bool), None)
    assert Image.open(io.BytesIO(large)).size == (480, 48)
