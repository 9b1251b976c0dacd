"""Expressions in the corner of a frame."""

from __future__ import annotations

import numpy as np
import pytest
from frame_results import result

from vlp_rvos.media.caption import BOX_OPACITY, MAX_LETTERS, Caption, blend
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
def test_any_expression_fits_any_frame(text: str, size: tuple[int, int]) -> None:
    one = result(scores=(0.9,), width=size[0], height=size[1])
    assert OverlayRenderer([text]).render(one).shape == (size[1], size[0], 3)


COLOURS = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)


def test_a_caption_has_one_line_for_each_expression() -> None:
    colours, opacity = Caption(["the dog", "a car"], COLOURS).draw(360, 640)
    assert colours.shape[:2] == opacity.shape[:2]
    assert opacity.shape[2:] == (1,)
    assert opacity.min() == pytest.approx(BOX_OPACITY, abs=1 / 255)
    assert opacity.max() == 1
    red, green = ((colours == colour).all(-1).any(1).nonzero()[0] for colour in COLOURS)
    assert red.size
    assert green.size
    assert red.max() < green.min()


def test_long_captions_are_cut_and_wrapped() -> None:
    caption = Caption(["word " * 400, "two\n  lines"], COLOURS)
    assert [len(text) for text in caption.texts] == [MAX_LETTERS, 9]
    assert caption.texts[0].endswith("...")
    colours, _ = caption.draw(360, 640)
    single, _ = Caption(["word"], COLOURS[:1]).draw(360, 640)
    assert 2 * single.shape[0] < colours.shape[0] <= 360
    assert colours.shape[1] <= 640


def test_blending_changes_the_corner_only() -> None:
    image = np.full((4, 6, 3), 100, np.uint8)
    colours, opacity = np.full((2, 3, 3), 201, np.uint8), np.zeros((2, 3, 1), np.float32)
    opacity[0], opacity[1, 0] = 1, 0.5
    blend(image, colours, opacity)
    expected = np.full((4, 6), 100)
    # 150.5 rounds to the even number.
    expected[0, :3], expected[1, 0] = 201, 150
    assert (image == expected[..., None]).all()
