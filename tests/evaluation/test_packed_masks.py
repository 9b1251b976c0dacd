"""Masks at one bit a pixel."""

from __future__ import annotations

import numpy as np

from vlp_rvos.evaluation.packed_masks import PackedMasks


def test_packed_masks() -> None:
    masks = np.random.default_rng(0).random((3, 7, 5)) < 0.5
    np.testing.assert_array_equal(PackedMasks.pack(masks).unpack(), masks)
