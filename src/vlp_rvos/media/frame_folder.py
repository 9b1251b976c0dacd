"""Frames of a video that are stored in a folder, one image file each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError
from vlp_rvos.media.image_files import read_upright_rgb, upright_size
from vlp_rvos.media.video_source import PendingFrame, TruncatedVideo, VideoInfo, VideoSource
from vlp_rvos.utils.natural_order import natural_order

__all__ = ["FrameFolder"]

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


class FrameFolder(VideoSource):
    """A video whose frames are the image files of a folder, sorted by name (numbers by value).

    Args:
        path: The folder of jpg, png, webp or bmp files, all of one size. Hidden files are left out.
        fps: Frames per second, which gives the frames their times.
        every: Take every Nth frame.
        start: Take frames from this time on, in seconds; None for the beginning.
        end: Take frames before this time, in seconds; None for the end.

    Raises:
        UserError: There are no frames, two of one name, frames of different sizes, or the first one cannot be read.
    """

    def __init__(self, path: Path, fps: float, every: int, start: float | None, end: float | None) -> None:
        super().__init__(every, start, end)
        files = (x for x in path.iterdir() if x.suffix.lower() in FRAME_SUFFIXES and not x.name.startswith("."))
        self.files = sorted(files, key=lambda file: natural_order(file.stem))
        if not self.files:
            raise UserError(f"no frames ({', '.join(x[1:] for x in FRAME_SUFFIXES)}) in folder {path}")
        stems: set[str] = set()
        for file in self.files:
            if file.stem in stems:
                raise UserError(f"two frames are called {file.stem!r} in folder {path}: keep one of them")
            stems.add(file.stem)
        self.size = upright_size(self.files[0])
        read_upright_rgb(self.files[0])
        for file in self.files[1:]:
            try:
                size = upright_size(file)
            except UserError:
                # It has no wrong size; the video ends there, and says so when the reading comes to it.
                continue
            self._check_size(file, size)
        height, width = self.size
        duration = len(self.files) / fps
        frames = self._count_selected(fps, duration)
        self.info = VideoInfo(path.resolve().name, width, height, fps, duration, frames)

    def _read(self) -> Iterator[PendingFrame]:
        for index, file in enumerate(self.files):
            yield PendingFrame(index / self.info.fps, file.stem, partial(self._load, file))

    def _load(self, file: Path, _: Size | None) -> tuple[Image, None]:
        try:
            image = read_upright_rgb(file)
        except UserError as error:
            raise TruncatedVideo(str(error)) from error
        self._check_size(file, (image.shape[0], image.shape[1]))
        return image, None

    def _check_size(self, file: Path, size: Size) -> None:
        if size != self.size:
            first, other = (f"{width}x{height}" for height, width in (self.size, size))
            raise UserError(
                f"frames differ in size: {file} is {other}, {self.files[0].name} is {first}; make them one size"
            )
