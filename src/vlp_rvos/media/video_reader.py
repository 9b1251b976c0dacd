"""Open a video, whether it is a file, a picture or a folder of frames."""

from __future__ import annotations

from pathlib import Path

from vlp_rvos.errors import UserError
from vlp_rvos.media.frame_folder import FrameFolder
from vlp_rvos.media.picture_file import PictureFile, is_picture
from vlp_rvos.media.video_file import VideoFile
from vlp_rvos.media.video_source import DEFAULT_FPS, FRAME_RATES, VideoSource
from vlp_rvos.utils.special_files import refuse_special_file

__all__ = ["open_video"]


def open_video(
    path: str | Path,
    *,
    every: int = 1,
    start: float | None = None,
    end: float | None = None,
    fps: float = DEFAULT_FPS,
) -> VideoSource:
    """Open a video and decode its first frame as a check.

    Args:
        path: A video file of any format that FFmpeg reads, a picture, which is a video of one frame, or a folder of
            jpg, png, webp or bmp images, which are sorted by name (numbers by value).
        every: Take every Nth frame.
        start: Take frames from this time on, in seconds.
        end: Take frames before this time, in seconds.
        fps: Frame rate of a folder or picture; a video file states its own.

    Raises:
        UserError: There is no such file or folder, it is a pipe or a device, it is not a video, it has no video stream,
            no frames or frames of different sizes, or an option is wrong.

    Example:
        >>> for frame in open_video("dog.mp4", every=2):                           # doctest: +SKIP
        ...     print(frame.time, frame.image.shape)
    """
    path = Path(path)
    FRAME_RATES.check("fps", fps, UserError)
    if path.is_dir():
        return FrameFolder(path, fps, every, start, end)
    refuse_special_file(path)
    if not path.exists():
        raise UserError(f"no such file or folder: {path}")
    if is_picture(path):
        return PictureFile(path, fps, every, start, end)
    return VideoFile(path, every, start, end)
