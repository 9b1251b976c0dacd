"""Expressions in the corner of a frame."""

from __future__ import annotations

import numpy as np
import pytest
from frame_results import result

from vlp_rvos.media.caption import BOX_OPACITY, INSIDE, MAX_LETTERS, Caption, _Layout, blend
from vlp_rvos.media.overlay import OverlayRenderer, overlay_colours


def test_the_expression_is_burned_in() -> None:
    renderer = OverlayRenderer(["the dog"])
    one = result(scores=(0.9,), height=360, width=640)
    image = renderer.render(one)
    corner = image[:30, :150]
    assert (np.abs(corner.astype(int) - overlay_colours(1)[0]).sum(-1) < 40).sum() > 50
    assert (image[:40] < 60).all(-1).sum() > 500
    assert (image[60:170] == 100).all()


@pytest.mark.parametrize(
    "text", ["word " * 400, "x" * 500, "собака 狗 🐕", "two\nlines", "a", " ", "\u200d", "\u200d " * 99]
)
@pytest.mark.parametrize("size", [(16, 16), (64, 48), (320, 180)])
def test_any_expression_fits_any_frame(text: str, size: tuple[int, int]) -> None:
    one = result(scores=(0.9,), width=size[0], height=size[1])
    assert OverlayRenderer([text]).render(one).shape == (size[1], size[0], 3)


COLOURS = np.array([[255, 100, 100], [0, 255, 0]], np.uint8)


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


@pytest.mark.parametrize("size", [(240, 160), (640, 360), (360, 640), (1920, 1080)])
@pytest.mark.parametrize("number", [1, 3, 12, 40])
@pytest.mark.parametrize("text", ["the cat", "a red car that is parked " * 3, "x" * 300])
def test_a_caption_is_at_most_a_fifth_as_wide_as_a_frame(size: tuple[int, int], number: int, text: str) -> None:
    width, height = size
    colours, _ = Caption([text] * number, overlay_colours(number)).draw(height, width)
    assert 0 < colours.shape[0] * colours.shape[1] <= 0.12 * height * width
    assert colours.shape[0] <= height
    assert colours.shape[1] <= 0.2 * width
    assert colours.max() > 100


@pytest.mark.parametrize("size", [(64, 48), (64, 47), (240, 160), (640, 360), (360, 640)])
@pytest.mark.parametrize("number", [1, 12, 40])
def test_a_strip_is_as_wide_as_the_frame_and_of_even_height(size: tuple[int, int], number: int) -> None:
    width, height = size
    strip = Caption(["a red car that is parked"] * number, overlay_colours(number)).draw_strip(height, width)
    assert strip.shape[1:] == (width, 3)
    assert strip.shape[0] % 2 == 0
    assert 0 < strip.shape[0] <= 0.6 * height + 1
    assert strip.max() > 100


def test_a_smaller_font_comes_before_broken_words() -> None:
    lines = _lines(Caption(["photographers"], COLOURS[:1])._layout(360, 480, INSIDE))
    assert lines == ["photographers"]


def test_dark_colours_are_brightened() -> None:
    colours, _ = Caption(["the dog"], np.array([[0, 0, 0]], np.uint8)).draw(360, 640)
    assert colours.max() > 90


def _lines(layout: _Layout | None) -> list[str]:
    assert layout is not None
    return [line for line, _ in layout.lines]


def test_expressions_that_find_no_room_are_cut_and_counted() -> None:
    lines = _lines(
        Caption(["a red car that is parked on the left"] * 40, overlay_colours(40))._layout(360, 640, INSIDE)
    )
    assert 10 < len(lines) < 40
    assert lines[-1] == f"+{41 - len(lines)}"
    assert all(line.endswith("...") and line.startswith("a red car") for line in lines[:-1])
    few = Caption(["the dog"] * 3, overlay_colours(3))._layout(360, 640, INSIDE)
    assert _lines(few) == ["the dog"] * 3


def test_a_frame_without_room_has_no_caption() -> None:
    colours, opacity = Caption(["the dog"], COLOURS[:1]).draw(8, 8)
    assert colours.size == opacity.size == 0
    image = np.full((8, 8, 3), 7, np.uint8)
    blend(image, colours, opacity)
    assert (image == 7).all()


def test_without_expressions_there_is_no_caption() -> None:
    caption = Caption((), overlay_colours(0))
    assert caption.draw(480, 640)[0].size == 0
    assert caption.draw_strip(480, 640).shape == (0, 640, 3)


def test_blending_changes_the_corner_only() -> None:
    image = np.full((4, 6, 3), 100, np.uint8)
    colours, opacity = np.full((2, 3, 3), 201, np.uint8), np.zeros((2, 3, 1), np.float32)
    opacity[0], opacity[1, 0] = 1, 0.5
    blend(image, colours, opacity)
    expected = np.full((4, 6), 100)
    # 150.5 rounds to the even number.
    expected[0, :3], expected[1, 0] = 201, 150
    assert (image == expected[..., None]).all()
