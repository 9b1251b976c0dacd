"""Palette images of object ids, which hold the masks of several objects. Shapes: (H, W) pixels of a frame."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlp_rvos.media.frame_record import MAX_OBJECTS
from vlp_rvos.media.png_mark import SIGNATURE, mark_png, png_chunk, read_chunks

__all__ = ["davis_palette", "is_unmarked_palette_png", "palette_png"]


def davis_palette() -> npt.NDArray[np.uint8]:
    """(256, 3) uint8 RGB colours of object ids, as PASCAL VOC and DAVIS use them.

    The bits of an id are spread over the channels, so that neighbouring ids have very different colours.
    """
    ids = np.arange(256)[:, None]
    channels = np.arange(3)
    palette = sum(((ids >> (3 * bit + channels)) & 1) << (7 - bit) for bit in range(3))
    return np.asarray(palette, dtype=np.uint8)


_COLOURS = davis_palette().tobytes()


def palette_png(labels: npt.NDArray[np.uint8], place: tuple[int, int], size: tuple[int, int], objects: int) -> bytes:
    """Encode object ids as a PNG in the DAVIS palette, with as few bits for each pixel as the objects need.

    One object takes 1 bit, which leaves an eighth of the bytes to compress.

    Args:
        labels: (h, w) uint8 object ids, 0 to `objects`, of a part of the image.
        place: Row and column of the part's upper left corner in the image; everything around the part is background.
        size: (H, W) of the image, in pixels.
        objects: Number of objects, from 1 to `MAX_OBJECTS`.

    Returns:
        Content of the PNG file, which is marked as ours; see `vlp_rvos.media.png_mark`.

    Raises:
        ValueError: There are no objects, or more than a palette has colours for.

    Source: Portable Network Graphics (third edition), W3C, sections 5.3, 7.2 and 11.2.
    """
    if not 1 <= objects <= MAX_OBJECTS:
        raise ValueError(f"{objects} objects: a palette image holds 1 to {MAX_OBJECTS}")
    bits = next(bits for bits in (1, 2, 4, 8) if objects < 1 << bits)
    (top, left), (height, width), pixels = place, size, 8 // bits
    # Every row begins with the number of its filter; 0 is none.
    rows = np.zeros((height, 1 + -(-width // pixels)), np.uint8)
    first, last = left // pixels, -(-(left + labels.shape[1]) // pixels)
    wide = np.zeros((len(labels), (last - first) * pixels), np.uint8)
    wide[:, left - first * pixels :][:, : labels.shape[1]] = labels
    packed = rows[top : top + len(labels), 1 + first : 1 + last]
    if bits == 1:
        packed[:] = np.packbits(wide, axis=1)
    else:
        for i in range(pixels):
            packed |= wide[:, i::pixels] << (8 - bits * (i + 1))
    # Masks are mostly runs: searching for other repetitions takes longer and finds little.
    packer = zlib.compressobj(strategy=zlib.Z_RLE)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, bits, 3, 0, 0, 0),
        b"PLTE": _COLOURS[: 3 << bits],
        b"IDAT": packer.compress(rows.tobytes()) + packer.flush(),
        b"IEND": b"",
    }
    return mark_png(SIGNATURE + b"".join(png_chunk(name, data) for name, data in chunks.items()))


def is_unmarked_palette_png(path: Path) -> bool:
    """Whether a file has the chunks and the palette that `palette_png` wrote in version 0.1.0, which had no marks."""
    try:
        chunks = list(read_chunks(path.read_bytes()))
    except OSError:
        return False
    names = [name for name, _ in chunks]
    return names == [b"IHDR", b"PLTE", b"IDAT", b"IEND"] and _COLOURS.startswith(chunks[1][1])
