"""Open a video, whatever form it has."""

from __future__ import annotations

from pathlib import Path

from vlp_rvos.errors import UserError
from vlp_rvos.media.frame_folder import FolderSource
from vlp_rvos.media.video_file import FileSource
from vlp_rvos.media.video_source import DEFAULT_FPS, VideoSource

__all__ = ["open_video"]


def open_video(
    path: str | Path,
    *,
    every: int = 1,
    start: float | None = None,
    end: float | None = None,
    fps: float = DEFAULT_FPS,
) -> VideoSource:
    """Open a video file (anything FFmpeg reads) or a folder of frames; the first frame is decoded as a check.

    Args:
        path: the file, or a folder of jpg, png, webp or bmp images, which are sorted by name (numbers by value).
        every: take every Nth frame.
        start, end: seconds; frames with start <= time < end are taken.
        fps: frame rate of a folder.

    Raises:
        UserError: no such file, not a video, no video stream, zero frames, frames of different sizes, a wrong option.

    Example:
        >>> for frame in open_video("dog.mp4", every=2):
        ...     frame.time, frame.image.shape
    """
    path = Path(path)
    if not fps > 0:
        raise UserError(f"fps must be greater than 0, not {fps:g}")
    if path.is_dir():
        return FolderSource(path, fps, every, start, end)
    if not path.exists():
        raise UserError(f"no such file or folder: {path}")
    return FileSource(path, every, start, end)
