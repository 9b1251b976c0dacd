"""Numbers over time in a fixed number of bins, so that memory does not grow with the video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Bins", "TimeBins"]

#: Most bins that are kept, an even number. A plot has about as many pixels.
MAX_BINS = 800


@dataclass(frozen=True)
class Bins:
    """Numbers over time, in N bins of consecutive frames.

    Attributes:
        times: (N,) mean time of each bin, in seconds.
        means, lowest, highest: (N, ...) of each number in each bin.
        frames: number of frames that a bin holds; the last one may hold fewer.
    """

    times: npt.NDArray[np.float64]
    means: npt.NDArray[np.float64]
    lowest: npt.NDArray[np.float64]
    highest: npt.NDArray[np.float64]
    frames: int


class TimeBins:
    """Collects numbers frame by frame. When all bins are full, every two of them become one.

    Args:
        shape: shape of the numbers of one frame.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._frames_each = 1
        self._count = np.zeros(MAX_BINS, np.int64)
        self._times = np.zeros(MAX_BINS)
        self._sums = np.zeros((MAX_BINS, *shape))
        self._lowest = np.full((MAX_BINS, *shape), np.inf)
        self._highest = np.full((MAX_BINS, *shape), -np.inf)
        self._last = 0

    def add(self, time: float, numbers: npt.NDArray[np.float64]) -> None:
        """Count in the numbers of the next frame, at a time in seconds."""
        if self._count[self._last] == self._frames_each:
            self._last += 1
            if self._last == MAX_BINS:
                self._halve()
        i = self._last
        self._count[i] += 1
        self._times[i] += time
        self._sums[i] += numbers
        np.minimum(self._lowest[i], numbers, out=self._lowest[i])
        np.maximum(self._highest[i], numbers, out=self._highest[i])

    def bins(self) -> Bins:
        """What was collected so far; N is 0 without frames."""
        used = int(np.count_nonzero(self._count))
        count = self._count[:used]
        means = self._sums[:used] / count.reshape(-1, *(1 for _ in self._sums.shape[1:]))
        return Bins(self._times[:used] / count, means, self._lowest[:used], self._highest[:used], self._frames_each)

    def _halve(self) -> None:
        half = MAX_BINS // 2
        for numbers, join, empty in (
            (self._count, np.add, 0),
            (self._times, np.add, 0),
            (self._sums, np.add, 0),
            (self._lowest, np.minimum, np.inf),
            (self._highest, np.maximum, -np.inf),
        ):
            numbers[:half] = join(numbers[0::2], numbers[1::2])
            numbers[half:] = empty
        self._frames_each *= 2
        self._last = half
