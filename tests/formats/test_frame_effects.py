"""What a mask does to a frame."""

from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.formats.frame_effects import blurred, cut_out, highlighted, widened, with_background

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
MASK = np.zeros((40, 60), bool)
MASK[10:30, 20:40] = True


def test_effects_change_the_right_pixels() -> None:
    for changed, kept in (
        (highlighted(IMAGE, MASK), MASK),
        (blurred(IMAGE, MASK), ~MASK),
        (with_background(IMAGE, MASK, (1, 2, 3)), MASK),
    ):
        assert changed.dtype == np.uint8
        assert np.array_equal(changed[kept], IMAGE[kept])
        assert (changed[~kept] != IMAGE[~kept]).mean() > 0.9
    assert (with_background(IMAGE, MASK, (1, 2, 3))[~MASK] == (1, 2, 3)).all()
    assert blurred(IMAGE, MASK)[MASK].std() < IMAGE[MASK].std() / 2
    assert highlighted(IMAGE, MASK)[~MASK].mean() < IMAGE[~MASK].mean() / 2


def test_a_margin_goes_all_around_and_stops_at_the_border() -> None:
    wide = widened(MASK)
    assert wide[8:32, 18:42].all()
    assert wide.sum() == 24 * 24
    corner = np.zeros((40, 60), bool)
    corner[-1, -1] = True
    assert np.argwhere(widened(corner)).min(axis=0).tolist() == [37, 57]
    assert widened(corner).sum() == 9


@pytest.mark.parametrize("block", [1, 7, 32, 100])
def test_an_odd_cut_out_keeps_colours_in_the_blocks_of_a_codec(block: int) -> None:
    image = np.full((41, 71, 3), 9, np.uint8)
    mask = np.zeros((41, 71), bool)
    mask[33, 65] = True
    rgba = cut_out(image, mask, block)
    assert np.array_equal(rgba[..., 3], mask * np.uint8(255))
    expected = np.zeros((41, 71), bool)
    top, left = 33 // block * block, 65 // block * block
    expected[top : top + block, left : left + block] = True
    assert np.array_equal(rgba[..., :3].any(axis=2), expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 3)])
@pytest.mark.parametrize("full", [False, True])
def test_tiny_frames_with_nothing_or_all_in_the_mask(size: tuple[int, int], full: bool) -> None:
    image, mask = np.full((*size, 3), 200, np.uint8), np.full(size, full)
    assert np.array_equal(cut_out(image, mask, 4)[..., 3], np.full(size, 255 * full))
    assert np.array_equal(widened(mask), mask)
    assert np.array_equal(blurred(image, mask), image)
    assert np.array_equal(highlighted(image, mask), image) is full
    assert np.unique(with_background(image, mask, (7, 7, 7))).tolist() == [200 if full else 7]
