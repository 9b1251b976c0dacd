"""Brush masks of Label Studio."""

from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.formats.brush_rle import decode_brush, encode_brush


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (40, 33), (200, 300)])
def test_round_trip(size: tuple[int, int], share: float) -> None:
    mask = np.random.default_rng(0).random(size) < share
    assert np.array_equal(decode_brush(encode_brush(mask), size), mask)


def test_literal_values_are_read() -> None:
    # Two pixels: 8 values of 8 bits, widths 3, 4, 8 and 16; one chunk that lists its 8 values.
    values = [0, 0, 0, 0, 9, 9, 9, 200]
    bits = f"{8:032b}{7:05b}" + "".join(f"{width - 1:04b}" for width in (3, 4, 8, 16)) + "0" + "00" + f"{7:03b}"
    bits += "".join(f"{value:08b}" for value in values)
    bits += "0" * (-len(bits) % 8)
    data = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    assert decode_brush(data, (1, 2)).tolist() == [[False, True]]


@pytest.mark.parametrize("length", range(24))
def test_data_that_ends_early(length: int) -> None:
    data = encode_brush(np.random.default_rng(0).random((4, 5)) < 0.5)
    with pytest.raises(ValueError, match="ends early"):
        decode_brush(data[:length], (4, 5))


@pytest.mark.parametrize("data", [None, "x", [256], [-1], [1.5], [True], {}])
def test_data_that_is_no_list_of_bytes(data: object) -> None:
    with pytest.raises(ValueError, match="list of bytes"):
        decode_brush(data, (4, 5))


def test_another_size() -> None:
    with pytest.raises(ValueError, match="has 80 values"):
        decode_brush(encode_brush(np.ones((4, 5), bool)), (4, 6))
    with pytest.raises(ValueError, match="no size"):
        decode_brush(encode_brush(np.ones((4, 5), bool)), (2**20, 2**20))
