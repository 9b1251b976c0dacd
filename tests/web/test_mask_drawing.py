from __future__ import annotations

import io

import numpy as np
import pytest
from frame_results import result_at
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError
from vlp_rvos.web.mask_drawing import MaskStyle, jpeg, shrink


def changed(style: MaskStyle) -> np.ndarray:
    """Which pixels of a frame with a square mask are drawn on."""
    result = result_at((20, 30))
    image = style.draw(result)
    return np.any(image != result.image, axis=2)


def test_styles_draw_the_inside_the_edge_or_both() -> None:
    mask = result_at((20, 30)).masks.any(axis=0)
    fill, edge, both = (changed(MaskStyle(style)) for style in ("Fill", "Outline", "Fill and outline"))
    assert fill[mask].mean() > 0.95
    assert not fill[~mask].any()
    assert not edge[24, 33]
    assert edge[20, 30]
    assert both[mask].mean() > 0.95


def test_a_chosen_colour_is_used() -> None:
    style = MaskStyle("Fill").with_colour(1, "#ff0080")
    assert style.colours(2)[1] == (255, 0, 128)
    assert style.colours(2)[0] == MaskStyle().colours(1)[0]
    for wrong in ("red", "#ff00", "#ff0080;", "#gg0000"):
        with pytest.raises(UserError):
            style.with_colour(0, wrong)


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(UserError, match="unknown style"):
        MaskStyle("dots")


def test_shrinking_keeps_shape_and_place() -> None:
    small = shrink(result_at((20, 30)), 32)
    assert small.image.shape == (24, 32, 3)
    assert small.masks.shape == (2, 24, 32)
    assert small.masks[0, 12, 17]
    assert not small.masks[0, 2, 2]
    result = result_at(None)
    assert shrink(result, 64) is result


def test_jpeg_is_one() -> None:
    image = PillowImage.open(io.BytesIO(jpeg(np.full((8, 16, 3), 200, np.uint8))))
    assert (image.format, image.size) == ("JPEG", (16, 8))
