"""PNG files of bit depths and colour types that Pillow reads but does not write."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

GRAY, RGB, GRAY_ALPHA, RGBA = 0, 2, 4, 6


def write_png(path: Path, samples: np.ndarray, bits: int, colour_type: int = GRAY, extra: bytes = b"") -> None:
    """Write samples (H, W) or (H, W, C) with 1 to 16 bits each, and further chunks before the pixels."""
    rows = samples.reshape(len(samples), -1)
    if bits == 16:
        packed = [row.astype(">u2").tobytes() for row in rows]
    else:
        planes = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        packed = [np.packbits(row.reshape(-1).astype(np.uint8)).tobytes() for row in planes]
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in packed))
    content = chunk(b"IHDR", header) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
