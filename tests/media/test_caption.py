"""Expressions in the corner of a frame."""

from __future__ import annotations

import numpy as np
import pytest
from frame_results import result

from vlp_rvos.media.overlay import OverlayRenderer, overlay_colours


def test_the_expression_is_burned_in() -> None:
    renderer = OverlayRenderer(["the dog"])
    one = result(scores=(0.9,), height=360, width=640)
    image = renderer.render(one)
    corner = image[:30, :150]
    assert (np.abs(corner.astype(int) - overlay_colours(1)[0]).sum(-1) < 40).sum() > 50
    assert (image[:40] < 60).all(-1).sum() > 500
    assert (image[60:170] == 100).all()


@pytest.mark.parametrize("text", ["word " * 400, "x" * 500, "собака 狗 🐕", "two\nlines", "a"])
@pytest.mark.parametrize("size", [(16, 16), (64, 48), (320, 180)])
def test_any_expression_fits_any_picture(text: str, size: tuple[int, int]) -> None:
    one = result(scores=(0.9,), width=size[0], height=size[1])
    assert OverlayRenderer([text]).render(one).shape == (size[1], size[0], 3)
