"""The masks that a job has found so far: on disk, frame by frame, with their numbers in memory.

Shapes: E expressions and pointed things, (H, W) the video's own size in pixels.
"""

from __future__ import annotations

import json
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import av
import numpy as np

from vlp_rvos.arrays import Floats, Image, Size
from vlp_rvos.errors import UserError
from vlp_rvos.media.rle import decode_mask, encode_mask
from vlp_rvos.results import FrameResult

__all__ = ["FoundMasks"]

NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


class FoundMasks:
    """Results of one job, which one thread adds and others read.

    Args:
        path: the file to keep the masks in; it is made, and removed by `close`.
        names: the E expressions, then the names of pointed things.
        size: (H, W) of the masks.

    Attributes:
        names: names of what is looked for.
        times: seconds from the start of the video, for each frame so far.
    """

    def __init__(self, path: Path, names: Sequence[str], size: Size) -> None:
        self.path, self.names, self.size = path, tuple(names), size
        self.times = array("d")
        self._numbers = array("f")
        self._offsets = array("q", [0])
        self._lock = threading.Lock()
        self._file = path.open("w+b")

    def __len__(self) -> int:
        """Number of frames so far."""
        return len(self._offsets) - 1

    def add(self, result: FrameResult) -> None:
        """Keep the masks of the next frame."""
        rows, columns = result.box
        masks = [encode_mask(mask[rows, columns], (rows.start, columns.start), self.size) for mask in result.masks]
        line = json.dumps([result.index, result.name, masks], ensure_ascii=False).encode()
        with self._lock:
            self._file.seek(self._offsets[-1])
            self._file.write(line)
            self.times.append(result.time)
            self._numbers.extend(result.presences.tolist())
            self._numbers.extend(result.scores.tolist())
            self._offsets.append(self._offsets[-1] + len(line))

    def number_at(self, time: float) -> int | None:
        """Number of the frame at a time in seconds; None where no frame that was processed lies there."""
        times = self.times
        count = len(self)
        if not count:
            return None
        after = min(bisect_left(times, time, 0, count), count - 1)
        nearest = min((number for number in (after - 1, after) if number >= 0), key=lambda n: abs(times[n] - time))
        step = (times[count - 1] - times[0]) / max(1, count - 1)
        return nearest if abs(times[nearest] - time) <= max(0.55 * step, 1e-3) else None

    def result(self, number: int, image: Image = NO_IMAGE, yuv_frame: av.VideoFrame | None = None) -> FrameResult:
        """The result of a frame, by its number from 0.

        Args:
            number: number of the frame among those that were processed.
            image: (H, W, 3) uint8 RGB image of the frame, if what is done with the result needs it.
            yuv_frame: the frame as it was decoded, if it is there.

        Raises:
            UserError: the masks were removed meanwhile.
        """
        with self._lock:
            if self._file.closed:
                raise UserError("these masks are gone: something else was found meanwhile")
            begin, end = self._offsets[number], self._offsets[number + 1]
            self._file.seek(begin)
            index, name, encoded = json.loads(self._file.read(end - begin))
        masks = np.zeros((len(self.names), *self.size), bool)
        for i, mask in enumerate(encoded):
            masks[i] = decode_mask(mask, self.size)
        presences, scores = self._row(number)
        return FrameResult(index, self.times[number], image, masks, scores, presences, self.names, name, yuv_frame)

    def results(self) -> Iterator[FrameResult]:
        """The results of all frames so far, without images."""
        for number in range(len(self)):
            yield self.result(number)

    def _row(self, number: int) -> tuple[Floats, Floats]:
        count = len(self.names)
        row = np.asarray(self._numbers[2 * count * number : 2 * count * (number + 1)], np.float32)
        return row[:count], row[count:]

    def curves(self) -> tuple[Floats, Floats, Floats]:
        """Times (N,), presences (N, E) and scores (N, E) of the N frames so far."""
        with self._lock:
            times = np.array(self.times, np.float32)
            numbers = np.array(self._numbers, np.float32).reshape(len(times), 2, len(self.names))
        return times, numbers[:, 0], numbers[:, 1]

    def close(self) -> None:
        """Remove the masks from the disk."""
        with self._lock:
            self._file.close()
            with suppress(OSError):
                self.path.unlink()
