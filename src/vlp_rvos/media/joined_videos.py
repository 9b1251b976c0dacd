"""Whether another video is joined to a video file, of which FFmpeg reads the first part alone.

FFmpeg reads on where Matroska, AVI, GIF or MPEG streams are joined. In MP4 and FLV it stops without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["has_joined_video"]

FLV_START = re.compile(rb"FLV\x01[\x00-\x05]\x00\x00\x00\x09\x00\x00\x00\x00")
#: Bytes after the last frame among which the start of another FLV is looked for: sound may follow the last frame.
SEARCHED_BYTES = 1 << 20
#: Boxes of an MP4 that are looked at. A file in one piece has a handful, one in fragments two for each.
MAX_BOXES = 100_000


def has_joined_video(path: Path, container: str, end: int) -> bool:
    """Look for the start of a second video.

    Args:
        path: The file.
        container: FFmpeg's name of its format.
        end: Position in bytes after the last frame that was read; 0 where it is not known.

    Returns:
        Whether there is one that FFmpeg does not read.
    """
    with path.open("rb") as file:
        if container == "flv" and end:
            file.seek(end)
            return FLV_START.search(file.read(SEARCHED_BYTES)) is not None
        if "mp4" in container.split(","):
            return _has_second_index(file, path.stat().st_size, end)
    return False


def _has_second_index(file: BinaryIO, size: int, end: int) -> bool:
    """Whether an MP4 has a second box `moov`, which begins a video, that was not read.

    In fragments of one video that box may be repeated, but then what follows it is read too.
    """
    indexes, is_fragmented, unread_index = 0, False, False
    for place, kind in _boxes(file, size):
        if kind == b"moov":
            indexes += 1
            unread_index = 0 < end <= place
        elif kind == b"moof":
            if unread_index and indexes > 1:
                return True
            is_fragmented = True
    return indexes > 1 and not is_fragmented


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes]]:
    """Position and kind of the outermost boxes."""
    place = 0
    for _ in range(MAX_BOXES):
        file.seek(place)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        yield place, header[4:8]
        if length < 8 or place + length >= size:
            return
        place += length
