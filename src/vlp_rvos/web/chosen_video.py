"""The video that a visitor has chosen, from which single frames are read on demand."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from contextlib import closing, suppress
from pathlib import Path

from vlp_rvos.errors import UserError
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import TIME_TOLERANCE, VideoFrame, VideoSource
from vlp_rvos.web.limits import Limits

__all__ = ["ChosenVideo"]

#: Frames that are kept, so that steps back and forth and changes of style decode nothing again.
KEPT_FRAMES = 4
#: Seconds before a time in which the frame before it is looked for first.
WINDOW = 0.5


class ChosenVideo:
    """A video file, a picture or a folder of frames.

    Args:
        path: the file or folder.
        limits: limits of the page.

    Attributes:
        path: the file or folder.
        info: what is known of the video before its frames are read.
        seconds: length of the video.
        last: time in seconds of the last frame, as far as the file states it.

    Raises:
        UserError: it cannot be read as a video, or is too large or too long to be measured.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        if path.is_file():
            limits.check_size(path.stat().st_size)
        self.path = path
        source = open_video(path)
        self.info = source.info
        limits.check_frame(self.info.width, self.info.height)
        self.seconds = source.info.duration or _measure(source, limits)
        self.last = max(0.0, self.seconds - 1 / self.info.fps)
        self._kept: OrderedDict[float, VideoFrame] = OrderedDict()
        self._lock = threading.Lock()

    def frame_at(self, time: float) -> VideoFrame:
        """The first frame at or after a time in seconds; behind the end, the last frame."""
        with self._lock:
            for kept in self._kept.values():
                if abs(kept.time - time) < TIME_TOLERANCE:
                    return kept
            try:
                with closing(open_video(self.path, start=max(0.0, time)).read()) as frames:
                    return self._keep(next(frames))
            except UserError:
                if time <= 0:
                    raise
            return self._keep(self._last_before(time))

    def frame_after(self, time: float) -> VideoFrame:
        """The frame that follows the one at a time; the last frame if none follows."""
        return self.frame_at(time + 2 * TIME_TOLERANCE)

    def frame_before(self, time: float) -> VideoFrame:
        """The frame that precedes the one at a time; the first frame if none precedes."""
        with self._lock, suppress(UserError):
            return self._keep(self._last_before(time))
        return self.frame_at(0.0)

    def _last_before(self, time: float) -> VideoFrame:
        end = max(time, 2 * TIME_TOLERANCE)
        for start in (max(0.0, time - WINDOW), 0.0):
            try:
                with closing(open_video(self.path, start=start, end=end).read()) as frames:
                    return deque(frames, maxlen=1)[0]
            except UserError:
                if start <= 0:
                    raise
        raise UserError(f"{self.info.name}: no frame before {time:g} s")

    def _keep(self, frame: VideoFrame) -> VideoFrame:
        self._kept[frame.time] = frame
        while len(self._kept) > KEPT_FRAMES:
            self._kept.popitem(last=False)
        return frame


def _measure(source: VideoSource, limits: Limits) -> float:
    """Length in seconds of a video that states none, as recordings of browsers do.

    Raises:
        UserError: it is longer than the page takes.
    """
    last = 0.0
    with closing(source.read((16, 16))) as frames:
        for frame in frames:
            last = frame.time
            if last > limits.max_seconds:
                raise UserError(f"the video states no length and is longer than {limits.max_seconds:g} s: cut it first")
    return last + 1 / source.info.fps
