"""A video as a lazy stream of frames: the interface that every kind of source implements.

Images are (H, W, 3) uint8 RGB arrays as a viewer shows them: rotation metadata is applied. Times are seconds from the
start of the video. No source keeps more than a few frames in memory, however long the video is.
"""

from __future__ import annotations

import copy
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Self, TypeVar

import av

from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.media.prefetch import prefetch
from vlp_rvos.utils.ranges import ANY_COUNT, Range

__all__ = [
    "DEFAULT_FPS",
    "FRAME_RATES",
    "PIXELS_OF_8K",
    "PREFETCH_DEPTH",
    "SECONDS",
    "TIME_TOLERANCE",
    "PendingFrame",
    "TruncatedVideo",
    "VideoFrame",
    "VideoInfo",
    "VideoSource",
]

#: Frame rate of what states none.
DEFAULT_FPS = 24.0

#: Pixels of a frame of a video of 8K: services take no larger ones.
PIXELS_OF_8K = 7680 * 4320

#: Frames that are decoded ahead: one clip of the presets, so that the next clip is ready when the model needs it.
PREFETCH_DEPTH = 6

#: Times in seconds that `start` and `end` may name: no video has 30 years.
SECONDS = Range(0, 10**9)

#: Frame rates that a video can be read and written with.
FRAME_RATES = Range(0.001, 10**5)

#: Container times are rounded to the file's time base: a frame at 2.0 s may read 1.99999 s.
TIME_TOLERANCE = 1e-3


@dataclass(frozen=True)
class VideoFrame:
    """One selected frame.

    Attributes:
        index: Number of the frame, counted from the first frame at or after `start`. With `every=N` the selected
            frames have the indices 0, N, 2N, ...
        time: Seconds from the start of the video (not from `start`).
        image: (H, W, 3) uint8 RGB, of the video's size or of the size that `VideoSource.read` was asked for.
        name: File stem for a folder of frames, otherwise the index with five digits.
        yuv_frame: The decoded yuv420p frame at the video's own size, which must not be changed. It is there where
            `image` has another size and the source has yuv frames (`VideoSource.has_yuv_frames`).
    """

    index: int
    time: float
    image: Image
    name: str
    yuv_frame: av.VideoFrame | None = None


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before its frames are read.

    Attributes:
        name: Name of the file or folder.
        width: Width of the frames in pixels, rotation applied.
        height: Height of the frames in pixels, rotation applied.
        fps: Average number of frames per second.
        duration: Length in seconds, as the container claims; None where it claims nothing.
        frames: Estimated number of frames that the selection (`every`, `start`, `end`) gives; None where the duration
            is unknown.
        pixel_aspect: Width of a pixel divided by its height, as it is shown, rotation applied.
    """

    name: str
    width: int
    height: int
    fps: float
    duration: float | None
    frames: int | None
    pixel_aspect: Fraction = Fraction(1)


Made = TypeVar("Made")


class TruncatedVideo(Exception):
    """The video ends too early: its next frame cannot be read. The message says why."""


class PendingFrame(NamedTuple):
    """A frame that has not been converted to an image yet, because it may not be selected.

    Attributes:
        time: Seconds from the start of the video.
        name: Name of the frame; None for the index with five digits.
        load: Makes `VideoFrame.image` and `VideoFrame.yuv_frame`. Takes the size of the image, None for the video's
            own size, and may raise `TruncatedVideo`.
    """

    time: float
    name: str | None
    load: Callable[[Size | None], tuple[Image, av.VideoFrame | None]]


class VideoSource(ABC):
    """A video that can be iterated, lazily, any number of times.

    Iterating raises `UserError` where the selection holds no frame. Where the video is truncated, the frames before
    the damage come first; then `problem` says what happened, and a `VLPRVOSWarning` with the same words is issued.

    Args:
        every: Take every Nth frame.
        start: Take frames from this time on, in seconds; None for the beginning.
        end: Take frames before this time, in seconds; None for the end.

    Attributes:
        info: What is known before the frames are read.
        problem: What was wrong with the video, after it was iterated; None where nothing was.
        note: What was mended without loss, such as time stamps that go back. `problem` has it too.
        can_reread: Whether the frames can be read more than once.
        can_resize: Whether frames come at another size for less than converting and resizing the whole image costs.
        has_yuv_frames: Whether frames that come at another size have their `yuv_frame`.
        prefetch_depth: How many frames are decoded ahead in a thread of their own; 0 decodes in the caller's thread.

    Raises:
        UserError: `every`, `start` and `end` select nothing.
    """

    info: VideoInfo
    problem: str | None = None
    note: str | None = None
    can_reread = True
    can_resize = False
    has_yuv_frames = False
    prefetch_depth = PREFETCH_DEPTH

    def __init__(self, every: int = 1, start: float | None = None, end: float | None = None) -> None:
        ANY_COUNT.check("every", every, UserError)
        for name, time in (("start", start), ("end", end)):
            if time is not None:
                SECONDS.check(name, time, UserError)
        if end is not None and not end > (start or 0):
            raise UserError(f"end ({end:g} s) must be later than start ({start or 0:g} s)")
        self.every, self.start, self.end = every, start, end

    def __iter__(self) -> Iterator[VideoFrame]:
        return self.read()

    def read(self, size: Size | None = None, skip: int = 0) -> Generator[VideoFrame, None, None]:
        """Iterate over the frames, at another size than the video's own where the source `can_resize`.

        The decoder converts colours and size in one pass, with rounding: colours differ by about one level of 255
        from those of a whole image that is resized. Errors and warnings are those of a plain iteration.

        Args:
            size: (height, width) of the images in pixels; ignored by sources that cannot resize.
            skip: Number of selected frames at the beginning that are left out: they are decoded, but not converted to
                images. The others keep their indices and times.
        """

        def load(index: int, frame: PendingFrame) -> VideoFrame:
            image, yuv_frame = frame.load(size if self.can_resize else None)
            return VideoFrame(index, frame.time, image, frame.name or f"{index:05d}", yuv_frame)

        empty = not skip
        with closing(prefetch(self._selected(load, skip), self.prefetch_depth)) as frames:
            for frame in frames:
                empty = False
                yield frame
        if empty:
            raise UserError(f"{self.info.name}: {self.problem or self._nothing_selected()}")
        if self.problem:
            warnings.warn(VLPRVOSWarning(f"{self.info.name}: {self.problem}"), stacklevel=2)

    def times(self) -> Generator[float, None, None]:
        """Iterate over the times of the frames in seconds, without their images. Damage ends it without a word."""
        return self._selected(lambda _, frame: frame.time)

    def between(self, start: float, end: float) -> Self:
        """The same video, of which all frames from `start` on and before `end` are read, in seconds."""
        part = copy.copy(self)
        part.every, part.start, part.end = 1, start, end
        return part

    @abstractmethod
    def _read(self) -> Iterator[PendingFrame]:
        """All frames of the video in their order; those before `start` may be left out. May raise `TruncatedVideo`."""

    def _selected(self, make: Callable[[int, PendingFrame], Made], skip: int = 0) -> Generator[Made, None, None]:
        """What `make` makes of the index and content of each selected frame."""
        self.problem = self.note = None
        index, time = 0, 0.0
        start = -math.inf if self.start is None else self.start - TIME_TOLERANCE
        end = math.inf if self.end is None else self.end - TIME_TOLERANCE
        try:
            for frame in self._read():
                time = frame.time
                if time >= end:
                    return
                if time >= start:
                    if index % self.every == 0 and index >= skip * self.every:
                        yield make(index, frame)
                    index += 1
        except TruncatedVideo as reason:
            self.problem = f"stopped at frame {index} ({time:.2f} s): {reason}"
        finally:
            self.problem = "; ".join(text for text in (self.problem, self.note) if text) or None

    def _count_selected(self, fps: float, duration: float | None) -> int | None:
        """Estimated number of selected frames, for `VideoInfo.frames`."""
        end = min(x for x in (self.end, duration, math.inf) if x is not None)
        if end == math.inf:
            return None
        return max(1, math.ceil(round((end - (self.start or 0)) * fps) / self.every))

    def _nothing_selected(self) -> str:
        if self.start is None and self.end is None:
            return "has no frames"
        end = "the end" if self.end is None else f"{self.end:g} s"
        length = "" if self.info.duration is None else f"; the video is {self.info.duration:.2f} s long"
        return f"no frame between {self.start or 0:g} s and {end}{length}"
