"""A video as a lazy stream of frames: the interface that every kind of source implements.

Images are (H, W, 3) uint8 RGB arrays as a viewer shows them: rotation metadata is applied. Times are seconds from the
start of the video. No source keeps more than a few frames, however long the video is.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

import av

from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.media.prefetch import prefetch

__all__ = ["DEFAULT_FPS", "ArraySource", "VideoBreak", "VideoFrame", "VideoInfo", "VideoSource"]

DEFAULT_FPS = 24.0


# A clip of the presets: while the model works on one, the next one is decoded.
PREFETCHED_FRAMES = 6


@dataclass(frozen=True)
class VideoFrame:
    """One selected frame.

    Attributes:
        index: number of the frame, counted from the first one at or after `start`; with `every=N` 0, N, 2N, ...
        time: seconds from the start of the video (not from `start`).
        image: (H, W, 3) uint8 RGB, or of the size that `VideoSource.read` was asked for.
        name: file stem for a folder of frames, otherwise the index with five digits.
        picture: the frame as it was decoded, at the video's own size and not to be changed, where `image` is of
            another size and the source is `planar`.
    """

    index: int
    time: float
    image: Image
    name: str
    picture: av.VideoFrame | None = None


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before it is read.

    Attributes:
        name: file or folder name.
        width, height: pixels, rotation applied.
        fps: average frames per second.
        duration: seconds, as the container claims, or None.
        frames: estimated number of frames that the selection (`every`, `start`, `end`) gives, or None.
    """

    name: str
    width: int
    height: int
    fps: float
    duration: float | None
    frames: int | None


class VideoBreak(Exception):
    """The frames end here, before they should."""


Load = Callable[[Size | None], tuple[Image, av.VideoFrame | None]]


class VideoSource(ABC):
    """A video that can be iterated, lazily, as often as wanted.

    Iterating raises `UserError` where the selection holds no frame. Where the video is broken, the frames up to the
    break come first; then `problem` says what happened, and a `VLPRVOSWarning` with the same words is issued.

    Attributes:
        info: what is known beforehand.
        problem: after an iteration: None, or what was wrong with the video.
        scales: frames can come at another size for less than making and resizing the whole image costs.
        planar: frames that come at another size come with their `picture`.
    """

    info: VideoInfo
    problem: str | None = None
    scales = False
    planar = False
    prefetched = PREFETCHED_FRAMES

    def __init__(self, every: int = 1, start: float | None = None, end: float | None = None) -> None:
        if every < 1:
            raise UserError(f"every must be at least 1, not {every}")
        if start is not None and not 0 <= start < math.inf:
            raise UserError(f"start must be 0 seconds or later, not {start:g}")
        if end is not None and not end > (start or 0):
            raise UserError(f"end ({end:g} s) must be later than start ({start or 0:g} s)")
        self.every, self.start, self.end = every, start, end

    def __iter__(self) -> Iterator[VideoFrame]:
        return self.read()

    def read(self, size: Size | None = None) -> Generator[VideoFrame, None, None]:
        """Iterate; a source with `scales` can give its frames at another size than the video's own.

        The colour conversion is the decoder's at either size, and rounds: colours differ by about one level of 255
        from those of a whole image that is resized. `UserError` and warnings are as in a plain iteration.

        Args:
            size: (height, width) of the images; ignored by sources without `scales`.
        """
        empty = True
        with closing(prefetch(self._selected(size if self.scales else None), self.prefetched)) as frames:
            for frame in frames:
                empty = False
                yield frame
        if empty:
            raise UserError(f"{self.info.name}: {self.problem or self._nothing_selected()}")
        if self.problem:
            warnings.warn(VLPRVOSWarning(f"{self.info.name}: {self.problem}"), stacklevel=2)

    @abstractmethod
    def _read(self) -> Iterator[tuple[float, str | None, Load]]:
        """All frames as (time, name, function that gives image and picture); this and the function may raise `VideoBreak`.

        The function takes a size only where the source has `scales`, otherwise None, the video's own.
        """

    def _selected(self, size: Size | None) -> Generator[VideoFrame, None, None]:
        self.problem = None
        index, time = 0, 0.0
        # Container times are rounded to their time base: a frame at 2.0 s may read 1.99999.
        start, end = (self.start or 0.0) - 1e-3, math.inf if self.end is None else self.end - 1e-3
        try:
            for time, name, load in self._read():
                if time >= end:
                    return
                if time >= start:
                    if index % self.every == 0:
                        image, picture = load(size)
                        yield VideoFrame(index, time, image, name or f"{index:05d}", picture)
                    index += 1
        except VideoBreak as reason:
            self.problem = f"stopped at frame {index} ({time:.2f} s): {reason}"

    def _selected_frames(self, fps: float, duration: float | None) -> int | None:
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


class ArraySource(VideoSource):
    """Frames that are in memory or come from a generator: images (H, W, 3) uint8 RGB at a constant rate.

    Args:
        frames: the images; a generator can be iterated once.
        fps: frames per second.
        every, start, end: see `open_video`.
    """

    # The iterable is the caller's: it stays in the caller's thread, and nothing is taken from it ahead of need.
    prefetched = 0

    def __init__(
        self,
        frames: Iterable[Image],
        fps: float = DEFAULT_FPS,
        every: int = 1,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        super().__init__(every, start, end)
        self.frames = frames
        self.info = VideoInfo("frames", 0, 0, fps, None, None)

    def _read(self) -> Iterator[tuple[float, str | None, Load]]:
        for index, image in enumerate(self.frames):
            yield index / self.info.fps, None, lambda _, image=image: (image, None)  # type: ignore[misc]
