"""Run-length encoding against that of COCO's own library."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask

from vlp_rvos.media.rle import encode_mask

Sides = tuple[int, int]
SIDES = st.tuples(st.integers(0, 3), st.integers(0, 3))


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=6)), SIDES, SIDES)
def test_a_part_is_encoded_as_the_whole_image(part: np.ndarray, before: Sides, after: Sides) -> None:
    mask = np.pad(part, list(zip(before, after, strict=True)))
    # The library has no code for an image without pixels.
    size = (max(1, mask.shape[0]), max(1, mask.shape[1]))
    whole = np.zeros(size, np.uint8, order="F")
    whole[: mask.shape[0], : mask.shape[1]] = mask
    expected = coco_mask.encode(whole)
    assert encode_mask(part, before, size) == {"size": list(size), "counts": expected["counts"].decode()}


def test_a_mask_alone_is_the_whole_image() -> None:
    mask = np.random.default_rng(0).random((48, 64)) < 0.5
    code = encode_mask(mask)
    assert np.array_equal(coco_mask.decode(code), mask)
    assert code["size"] == [48, 64]
