"""Outlines of masks as polygons."""

from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.formats.mask_outline import mask_outline, simplify
from vlp_rvos.media.rle import decode_mask


def filled(outline: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return decode_mask([outline.ravel().tolist()], size)


def test_a_box() -> None:
    mask = np.zeros((6, 8), bool)
    mask[1:4, 2:7] = True
    assert sorted(map(tuple, mask_outline(mask).tolist())) == [(2, 1), (2, 4), (7, 1), (7, 4)]


def test_one_pixel_and_the_whole_image() -> None:
    assert len(mask_outline(np.ones((1, 1), bool))) == 4
    assert len(mask_outline(np.ones((5, 9), bool))) == 4


def test_the_largest_part_without_holes_is_taken() -> None:
    mask = np.zeros((20, 30), bool)
    mask[2:16, 3:18] = True
    mask[5:9, 6:9] = False
    mask[10:14, 22:27] = True
    without = mask.copy()
    without[5:9, 6:9] = True
    without[:, 20:] = False
    assert np.array_equal(filled(mask_outline(mask), mask.shape), without)


def test_parts_that_touch_at_a_corner_stay_apart() -> None:
    mask = np.zeros((6, 6), bool)
    mask[1:3, 1:3] = mask[3:5, 3:5] = True
    assert filled(mask_outline(mask), mask.shape).sum() == 4


@pytest.mark.parametrize("seed", range(4))
def test_a_ragged_mask(seed: int) -> None:
    mask = np.random.default_rng(seed).random((24, 24)) < 0.8
    outline = mask_outline(mask, 0)
    found = filled(outline, mask.shape)
    # What is enclosed but not in the mask is a hole, or lies behind a corner.
    assert (found | mask)[found].all()
    assert (found & mask).sum() > 0.9 * mask.sum()


def test_a_disc_needs_few_corners() -> None:
    y, x = np.mgrid[:100, :100]
    disc = (x - 50) ** 2 + (y - 50) ** 2 < 40**2
    outline = mask_outline(disc)
    assert len(outline) < 80
    assert (filled(outline, disc.shape) ^ disc).sum() < 0.02 * disc.sum()


def test_simplify_keeps_what_is_near_enough() -> None:
    corners = np.array([[0, 0], [5, 0.2], [10, 0], [10, 10], [0, 10]], float)
    assert len(simplify(corners, 0.5)) == 4
    assert len(simplify(corners, 0.1)) == 5
