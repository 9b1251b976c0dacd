"""Frames that are arrays in memory, or come from a generator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError
from vlp_rvos.media.video_source import DEFAULT_FPS, FRAME_RATES, PendingFrame, VideoInfo, VideoSource

__all__ = ["ArraySource"]


class ArraySource(VideoSource):
    """A video of arrays at a constant frame rate.

    Args:
        frames: The images, (H, W, 3) uint8 RGB each. A generator can be iterated only once.
        fps: Frames per second, which gives the frames their times.
        every: Take every Nth frame.
        start: Take frames from this time on, in seconds.
        end: Take frames before this time, in seconds.

    Raises:
        UserError: `fps`, `every`, `start` or `end` is out of its range.
    """

    # The iterable is the caller's: it stays in the caller's thread, and nothing is taken from it ahead of need.
    prefetch_depth = 0

    def __init__(
        self,
        frames: Iterable[Image],
        fps: float = DEFAULT_FPS,
        every: int = 1,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        super().__init__(every, start, end)
        FRAME_RATES.check("fps", fps, UserError)
        self.frames = frames
        self.can_reread = not isinstance(frames, Iterator)
        self.info = VideoInfo("frames", 0, 0, fps, None, None)

    def _read(self) -> Iterator[PendingFrame]:
        for index, image in enumerate(self.frames):
            yield PendingFrame(index / self.info.fps, None, partial(_unchanged, image))


def _unchanged(image: Image, _: Size | None) -> tuple[Image, None]:
    return image, None
