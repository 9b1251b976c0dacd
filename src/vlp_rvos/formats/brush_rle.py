"""The run-length encoding of brush masks in Label Studio: numbers of 8 bits, packed as bits.

A stream begins with the number of values (32 bits), the bits of a value less one (5), and four widths less one (4 bits
each). Then come chunks: one bit that says whether all values of the chunk are equal, two bits that choose one of the
widths, the number of values less one in that width, and the value, or all of them. A mask is an image of four channels,
one pixel after the other; the fourth, its opacity, says where the mask is.
Source: the format of github.com/thi-ng/umbrella, packages/rle-pack (Apache-2.0), which Label Studio uses.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Size

__all__ = ["decode_brush", "encode_brush"]

CHANNELS = 4
WORD = 8
WIDTHS = (3, 4, 8, 16)
LONGEST = 1 << WIDTHS[-1]
#: Pixels of the largest mask that is read.
MAX_PIXELS = 2**28


def encode_brush(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Encode a mask (H, W) bool, as bytes 0 to 255."""
    flat = mask.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    lengths = np.diff(ends, prepend=0) * CHANNELS
    bits = [_bits(flat.size * CHANNELS, 32), _bits(WORD - 1, 5), *(_bits(width - 1, 4) for width in WIDTHS)]
    value = bool(flat[0])
    for length in lengths.tolist():
        while length:
            chunk = min(length, LONGEST)
            index = next(i for i, width in enumerate(WIDTHS) if chunk <= 1 << width)
            bits.append("1" + _bits(index, 2) + _bits(chunk - 1, WIDTHS[index]) + _bits(255 * value, WORD))
            length -= chunk
        value = not value
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[i : i + 8], 2) for i in range(0, len(text), 8)]


def decode_brush(data: object, size: Size) -> npt.NDArray[np.bool_]:
    """Decode a mask.

    Args:
        data: The bytes, 0 to 255.
        size: (H, W) of the image.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: The data is malformed, or holds a mask of another size. The message is one line.
    """
    if not isinstance(data, list) or not all(type(value) is int and 0 <= value < 256 for value in data):
        raise ValueError("its brush is not a list of bytes")
    if not 0 < size[0] * size[1] <= MAX_PIXELS:
        raise ValueError(f"its size {size[1]}x{size[0]} is no size of an image")
    reader = _BitReader(bytes(data))
    total, word = reader.take(32), reader.take(5) + 1
    widths = [reader.take(4) + 1 for _ in range(4)]
    if total != size[0] * size[1] * CHANNELS:
        raise ValueError(f"its brush has {total} values, an image of {size[1]}x{size[0]} needs {CHANNELS} a pixel")
    values = np.zeros(total, np.uint8)
    position = 0
    while position < total:
        is_run = reader.take(1)
        length = reader.take(widths[reader.take(2)]) + 1
        if position + length > total:
            raise ValueError("its brush is longer than the image")
        if is_run:
            values[position : position + length] = min(reader.take(word), 255)
        else:
            values[position : position + length] = [min(reader.take(word), 255) for _ in range(length)]
        position += length
    return np.asarray(values[CHANNELS - 1 :: CHANNELS].reshape(size) > 0)


class _BitReader:
    """Reads numbers of any width from bytes, the highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position, self._end = data, 0, 8 * len(data)

    def take(self, width: int) -> int:
        first, last = self._position, self._position + width
        if last > self._end:
            raise ValueError("its brush ends early")
        self._position = last
        piece = int.from_bytes(self._data[first // 8 : -(-last // 8)], "big")
        return (piece >> (-last % 8)) & ((1 << width) - 1)


def _bits(value: int, width: int) -> str:
    return f"{value:0{width}b}"
