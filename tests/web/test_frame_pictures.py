from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from frame_results import result_at
from PIL import Image as PillowImage

from vlp_rvos.media.overlay import OverlayRenderer
from vlp_rvos.media.overlay_style import OverlayStyle
from vlp_rvos.web.frame_pictures import draw, jpeg, shrink


@pytest.mark.parametrize("style", [OverlayStyle(), OverlayStyle("outline", "none", (), {"a red car": (1, 2, 3)})])
def test_masks_are_drawn_as_the_command_draws_them(style: OverlayStyle) -> None:
    result = result_at((20, 30))
    assert np.array_equal(draw(result, style), OverlayRenderer(result.expressions, style).render(result))


def test_a_frame_without_masks_stays_as_it_is() -> None:
    result, none = result_at(None), np.zeros(0, np.float32)
    bare = replace(result, masks=result.masks[:0], scores=none, presences=none, expressions=())
    image = draw(bare, OverlayStyle())
    assert np.array_equal(image, result.image)
    assert image is not result.image


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
