"""Times of decoded frames, mended where the stamps in the file restart, jump back or are missing."""

from __future__ import annotations

import heapq
import itertools

__all__ = ["FrameTimes", "StampQueue", "plausible_rate"]

#: The rate that a file states is believed if what its stamps show differs by less than this factor.
RATE_TOLERANCE = 4.0

#: No codec reorders more frames than this: H.264 and H.265 allow 16.
MAX_REORDER = 16


class FrameTimes:
    """Turns the time stamps of decoded frames into times that always grow.

    A stamp that does not grow begins a new recording: it and those after it are moved to follow on, one frame interval
    after the last frame. Gaps are kept. A frame without a stamp comes one frame interval after the last one.

    Args:
        interval: Usual time between two frames, in seconds.

    Attributes:
        restarts: How many times the stamps went back.
        missing: How many frames had no stamp.
        first_restart: Time of the first frame that was moved, in seconds.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._last: float | None = None
        self._shift = 0.0
        self.restarts = self.missing = 0
        self.first_restart = 0.0

    def of(self, stamp: float | None) -> float:
        """Time of the next frame in seconds, from its stamp in seconds."""
        following = 0.0 if self._last is None else self._last + self._interval
        if stamp is None:
            self.missing += 1
            time = following
        else:
            time = stamp + self._shift
            if self._last is not None and time <= self._last:
                if not self.restarts:
                    self.first_restart = following
                self.restarts += 1
                self._shift += following - time
                time = following
        self._last = time
        return time

    def note(self) -> str | None:
        """What was mended, in half a sentence; None where nothing was."""
        if self.restarts:
            often = "once" if self.restarts == 1 else f"{self.restarts} times"
            return (
                f"time stamps go back {often}, first at {self.first_restart:.2f} s: the frames were timed to follow on"
            )
        if self.missing:
            return f"{self.missing} frames have no time stamp: they were timed by the frame rate"
        return None


class StampQueue:
    """Puts stamps in order that a file gives to its frames in the order of decoding, as AVI does for B-frames.

    The decoder returns frames in the order in which they are shown. The earliest stamp that was not used yet is that of
    the next frame.
    """

    def __init__(self) -> None:
        self._waiting: list[float] = []

    def push(self, stamp: float) -> None:
        """Add the stamp of a packet that the decoder is given."""
        heapq.heappush(self._waiting, stamp)

    def pop(self, own: float | None) -> float | None:
        """The stamp of the next frame.

        Args:
            own: The stamp that the decoder gave to the frame, which is that of its packet.
        """
        if own is not None:
            # Packets that gave no frame leave their stamps behind.
            while sum(stamp < own for stamp in self._waiting) > MAX_REORDER:
                heapq.heappop(self._waiting)
        return heapq.heappop(self._waiting) if self._waiting else own


def plausible_rate(first: float | None, second: float | None, stamps: list[float], default: float) -> float:
    """The frame rate of a video, in frames per second.

    Args:
        first: The rate that is believed unless the stamps show another one.
        second: The rate that is believed in its place.
        stamps: Stamps of the first packets in seconds, in any order; empty where the file has none.
        default: The rate where nothing is known.
    """
    ordered = sorted(set(stamps))
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(ordered))
    if not gaps:
        return first or second or default
    measured = 1 / gaps[len(gaps) // 2]
    for rate in (first, second):
        if rate and 1 / RATE_TOLERANCE < rate / measured < RATE_TOLERANCE:
            return rate
    return measured
