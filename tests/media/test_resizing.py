"""Masks at another size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from vlp_rvos.media.resizing import resize_mask

MASK = np.array([[0, 1, 1], [1, 0, 1]], bool)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4, 6), [[0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 1, 1], [1, 1, 0, 0, 1, 1]]),
        # Of an even number of pixels the one behind the middle is the nearest.
        ((1, 3), [[1, 0, 1]]),
        ((2, 1), [[1], [0]]),
    ],
)
def test_the_nearest_pixel_counts(size: tuple[int, int], expected: list[list[int]]) -> None:
    resized = resize_mask(MASK, size)
    assert resized.dtype == np.bool_
    assert resized.tolist() == np.array(expected, bool).tolist()


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9)), st.integers(1, 5), st.integers(1, 5))
def test_whole_factors_repeat_pixels(mask: np.ndarray, down: int, right: int) -> None:
    larger = resize_mask(mask, (mask.shape[0] * down, mask.shape[1] * right))
    assert np.array_equal(larger, mask.repeat(down, 0).repeat(right, 1))
    assert np.array_equal(resize_mask(larger, (mask.shape[0], mask.shape[1])), mask)


def test_a_mask_of_the_right_size_is_not_copied() -> None:
    assert resize_mask(MASK, (2, 3)) is MASK
