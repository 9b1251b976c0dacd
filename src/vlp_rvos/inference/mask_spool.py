"""Masks that wait in a temporary file, so that memory does not grow with their number."""

from __future__ import annotations

import struct
import tempfile
import zlib
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import IO, Self

import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Floats
from vlp_rvos.errors import UserError

__all__ = ["MaskSpool"]

#: Place and length of the entry of a frame.
RECORD = struct.Struct("<qq")


class MaskSpool:
    """Masks, scores and presences of frames, written in any order. The files have no names, so they never stay behind.

    Raises:
        UserError: there is no room for temporary files.

    Example:
        >>> with MaskSpool() as spool:                                             # doctest: +SKIP
        ...     spool.put(5, masks, scores, presences)
        ...     spool.get(5)
    """

    def __init__(self) -> None:
        self._files = ExitStack()
        try:
            self._index, self._data = (self._files.enter_context(_temporary_file()) for _ in range(2))
        except OSError as error:
            self._files.close()
            raise _no_room(error) from error

    def put(self, number: int, masks: npt.NDArray[np.bool_], scores: Floats, presences: Floats) -> None:
        """Keep what is known of frame `number`.

        Args:
            number: number of the frame, from 0.
            masks: (P, H, W) bool.
            scores: (P,) float32.
            presences: (P,) float32.
        """
        head = struct.pack("<qqq", *masks.shape) + scores.tobytes() + presences.tobytes()
        try:
            start = self._data.seek(0, 2)
            length = self._data.write(head + zlib.compress(np.packbits(masks).tobytes(), 1))
            self._data.flush()
            self._index.seek(number * RECORD.size)
            self._index.write(RECORD.pack(start, length))
            self._index.flush()
        except OSError as error:
            raise _no_room(error) from error

    def get(self, number: int) -> tuple[npt.NDArray[np.bool_], Floats, Floats] | None:
        """The masks (P, H, W), scores (P,) and presences (P,) of a frame; None where none were kept."""
        self._index.seek(number * RECORD.size)
        record = self._index.read(RECORD.size)
        start, length = RECORD.unpack(record) if len(record) == RECORD.size else (0, 0)
        if not length:
            return None
        self._data.seek(start)
        entry = self._data.read(length)
        shape = struct.unpack_from("<qqq", entry)
        numbers = np.frombuffer(entry, np.float32, 2 * shape[0], 24).reshape(2, -1)
        bits = np.frombuffer(zlib.decompress(entry[24 + numbers.nbytes :]), np.uint8)
        masks = np.unpackbits(bits, count=int(np.prod(shape))).view(np.bool_).reshape(shape)
        return masks, numbers[0], numbers[1]

    def close(self) -> None:
        """Remove the files."""
        # Closing a file on a full disk fails once more, which says nothing new.
        with suppress(OSError):
            self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _temporary_file() -> IO[bytes]:
    return tempfile.TemporaryFile()


def _no_room(error: OSError) -> UserError:
    folder = tempfile.gettempdir()
    return UserError(f"cannot write a temporary file in {folder}: {error.strerror}; make room, or set TMPDIR")
