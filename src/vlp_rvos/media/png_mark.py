"""Mark PNG files as written by this package, so that a later run can tell them from the user's own.

The mark is a text chunk with a checksum of the picture: who changes the picture, makes it his own, even with a program
that keeps the text. Source: Portable Network Graphics (third edition), W3C, sections 5.2, 5.3 and 11.3.3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SIGNATURE", "is_marked_png", "mark_png", "png_chunk", "read_chunks"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SOFTWARE = b"Software\0vlp-rvos"
CHECKSUM = b"vlp-rvos checksum\0"
#: Chunks whose content is the picture.
PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")


def png_chunk(name: bytes, data: bytes) -> bytes:
    """A chunk as a file has it."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def mark_png(png: bytes) -> bytes:
    """Add the mark to the content of a PNG file."""
    header = len(SIGNATURE) + 4 + 4 + 13 + 4
    text = png_chunk(b"tEXt", SOFTWARE) + png_chunk(b"tEXt", CHECKSUM + _checksum(list(read_chunks(png))))
    return png[:header] + text + png[header:]


def is_marked_png(path: Path) -> bool:
    """Whether a file is a PNG file that this package wrote, and whose picture nobody has changed since."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    chunks = list(read_chunks(content))
    texts = [data for name, data in chunks if name == b"tEXt"]
    return bool(chunks) and SOFTWARE in texts and CHECKSUM + _checksum(chunks) in texts


def read_chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk of a PNG file; nothing where the content ends early or goes on after the end."""
    chunks, position = [], len(SIGNATURE)
    while png.startswith(SIGNATURE) and position + 8 <= len(png):
        length, name = struct.unpack_from(">I4s", png, position)
        chunks.append((name, png[position + 8 : position + 8 + length]))
        position += 12 + length
    if position == len(png) and chunks and chunks[-1][0] == b"IEND":
        yield from chunks


def _checksum(chunks: list[tuple[bytes, bytes]]) -> bytes:
    checksum = 0
    for name, data in chunks:
        if name in PICTURE:
            checksum = zlib.crc32(name + data, checksum)
    return f"{checksum:08x}".encode()
