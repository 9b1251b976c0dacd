"""A picture as a video of one frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image as PillowImage

from vlp_rvos.arrays import Image, Size
from vlp_rvos.media.image_files import read_upright_rgb
from vlp_rvos.media.video_source import PendingFrame, VideoInfo, VideoSource

__all__ = ["PICTURE_SUFFIXES", "PictureFile", "is_picture"]

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its name, and does not move."""
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        return False
    try:
        with PillowImage.open(path) as image:
            # The further pictures of a photo (its preview) and of a scan (its pages) are no frames.
            return image.format in ("MPO", "TIFF") or not getattr(image, "is_animated", False)
    # Pillow raises many kinds of exceptions. The reader will say what is wrong with the file.
    except Exception:
        return path.stat().st_size > 0


class PictureFile(VideoSource):
    """A picture file as a video of one frame, turned and mirrored as its EXIF orientation says.

    Args:
        path: The file.
        fps: Frames per second, which gives the frame its length.
        every: Take every Nth frame.
        start: Take frames from this time on, in seconds; None for the beginning.
        end: Take frames before this time, in seconds; None for the end.

    Raises:
        UserError: The file is not a picture that Pillow can read.
    """

    def __init__(self, path: Path, fps: float, every: int, start: float | None, end: float | None) -> None:
        super().__init__(every, start, end)
        self.path = path
        height, width = read_upright_rgb(path).shape[:2]
        self.info = VideoInfo(path.name, width, height, fps, 1 / fps, self._count_selected(fps, 1 / fps))

    def _read(self) -> Iterator[PendingFrame]:
        yield PendingFrame(0.0, None, self._load)

    def _load(self, _: Size | None) -> tuple[Image, None]:
        return read_upright_rgb(self.path), None
