"""Frames of a video that are stored as one image file each in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps

from vlp_rvos.arrays import Image
from vlp_rvos.errors import UserError
from vlp_rvos.media.video_source import Load, VideoBreak, VideoInfo, VideoSource

__all__ = ["FolderSource"]

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


EXIF_ORIENTATION = 0x0112


class FolderSource(VideoSource):
    def __init__(self, path: Path, fps: float, every: int, start: float | None, end: float | None) -> None:
        super().__init__(every, start, end)
        files = (x for x in path.iterdir() if x.suffix.lower() in FRAME_SUFFIXES and not x.name.startswith("."))
        self.files = sorted(files, key=_natural)
        if not self.files:
            raise UserError(f"no frames ({', '.join(x[1:] for x in FRAME_SUFFIXES)}) in folder {path}")
        stems: set[str] = set()
        for file in self.files:
            if file.stem in stems:
                raise UserError(f"two frames are called {file.stem!r} in folder {path}: keep one of them")
            stems.add(file.stem)
        try:
            self.size = _image_size(self.files[0])
            _load_image(self.files[0])
        except VideoBreak as error:
            raise UserError(f"{path}: {error}") from error
        for file in self.files[1:]:
            # An unreadable frame is not a wrong size: it is reported as the break when the reading comes to it.
            with suppress(VideoBreak):
                self._check_size(file, _image_size(file))
        width, height = self.size
        duration = len(self.files) / fps
        frames = self._selected_frames(fps, duration)
        self.info = VideoInfo(path.resolve().name, width, height, fps, duration, frames)

    def _read(self) -> Iterator[tuple[float, str | None, Load]]:
        for index, file in enumerate(self.files):
            yield index / self.info.fps, file.stem, lambda _, file=file: (self._load(file), None)  # type: ignore[misc]

    def _load(self, file: Path) -> Image:
        image = _load_image(file)
        self._check_size(file, (image.shape[1], image.shape[0]))
        return image

    def _check_size(self, file: Path, size: tuple[int, int]) -> None:
        if size != self.size:
            first, other = ("x".join(map(str, x)) for x in (self.size, size))
            raise UserError(
                f"frames differ in size: {file} is {other}, {self.files[0].name} is {first}; make them one size"
            )


def _natural(path: Path) -> tuple[list[tuple[int, int | str]], str]:
    """Sort key in which frame2 stands before frame10."""
    parts = re.split(r"(\d+)", path.stem)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part], path.name


def _image_size(file: Path) -> tuple[int, int]:
    """(width, height) from the header alone."""
    with _ImageErrors(file), PillowImage.open(file) as image:
        turned = image.getexif().get(EXIF_ORIENTATION, 1) >= 5
        return (image.height, image.width) if turned else (image.width, image.height)


def _load_image(file: Path) -> Image:
    with _ImageErrors(file), PillowImage.open(file) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


class _ImageErrors:
    """Context in which Pillow's many ways to fail become a `VideoBreak` that names the file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError | ValueError | SyntaxError | PillowImage.DecompressionBombError):
            raise VideoBreak(f"{self.file.name} cannot be read as an image") from error
