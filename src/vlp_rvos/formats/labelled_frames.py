"""Frames with outlined things, whatever tool they come from. Shapes: (H, W) pixels of the frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError
from vlp_rvos.media.image_files import read_rgb
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import DEFAULT_FPS

__all__ = ["LabelledFrame", "LabelledFrames", "LabelledThing", "VideoFrameReference", "existing_file"]

#: Times of frames may be rounded to six digits.
TIME_TOLERANCE = 2e-6


@dataclass(frozen=True)
class VideoFrameReference:
    """A frame of a video file.

    Attributes:
        video: The video, or a folder of frames.
        time: Seconds from the start of the video.
        fps: Frame rate of a folder of frames; a file states its own.
    """

    video: Path
    time: float
    fps: float = DEFAULT_FPS


@dataclass(frozen=True)
class LabelledThing:
    """One outlined thing of a frame. Its mask is read each time that it is asked for.

    Attributes:
        track: Id of the thing: the same in all frames of its video, and no other thing there has it.
        label: Name of its category; may be empty.
        expressions: What is said to mean it; may be empty.
        load: Reads the mask.
    """

    track: str
    label: str
    expressions: tuple[str, ...]
    load: Callable[[], npt.NDArray[np.bool_]] = field(repr=False, compare=False)

    @property
    def texts(self) -> tuple[str, ...]:
        """Its expressions, or where there are none its label; empty where there is neither."""
        return self.expressions or ((self.label,) if self.label else ())

    def mask(self) -> npt.NDArray[np.bool_]:
        """Read the mask: (H, W) bool, all False where the thing is not in the frame.

        Raises:
            UserError: The mask is missing, malformed, or has another size than the frame.
        """
        return self.load()


@dataclass(frozen=True)
class LabelledFrame:
    """One frame with its things.

    Attributes:
        video: Name of the video that it belongs to; empty for a single picture.
        name: Name of the frame, unique in its video.
        index: Number of the frame in its video, counted from 0.
        size: (H, W) in pixels; None where only the image tells.
        image: The image file, or the place in a video; None where the pixels are not there.
        things: The outlined things.
    """

    video: str
    name: str
    index: int
    size: Size | None
    image: Path | VideoFrameReference | None
    things: tuple[LabelledThing, ...]


@dataclass(frozen=True)
class LabelledFrames:
    """Labelled frames that are read while they are iterated, as often as wanted. Frames of a video follow each other.

    Attributes:
        path: What they are read from.
        layout: Name of the layout that was found there.
        read: Gives the frames.

    Example:
        >>> for frame in read_labelled("export.zip"):                              # doctest: +SKIP
        ...     print(frame.name, [(thing.track, thing.texts, thing.mask().sum()) for thing in frame.things])
    """

    path: Path
    layout: str
    read: Callable[[], Iterator[LabelledFrame]] = field(repr=False)

    def __iter__(self) -> Iterator[LabelledFrame]:
        return self.read()

    def with_images(self) -> Iterator[tuple[LabelledFrame, Image]]:
        """The frames that have pixels, each with its image, (H, W, 3) uint8 RGB as stored. Videos are read once.

        Raises:
            UserError: An image or a video cannot be read, or has another size than its frame.
        """
        opened: tuple[Path, Generator[tuple[float, Image], None, None]] | None = None
        try:
            for frame in self:
                if isinstance(frame.image, Path):
                    image = read_rgb(frame.image)
                elif frame.image is not None:
                    reference = frame.image
                    if opened is None or opened[0] != reference.video:
                        if opened is not None:
                            opened[1].close()
                        opened = reference.video, _images(reference)
                    image = _image_at(opened[1], reference)
                else:
                    continue
                if frame.size is not None and image.shape[:2] != frame.size:
                    found, wanted = (f"{size[1]}x{size[0]}" for size in (image.shape, frame.size))
                    raise UserError(
                        f"the image of frame {frame.name} of {self.path} is {found}, its masks are {wanted}"
                    )
                yield frame, image
        finally:
            if opened is not None:
                opened[1].close()


def existing_file(path: Path) -> Path | None:
    """The path where a file is there, otherwise None: also for names from outside that no file can have."""
    # Unlike `Path.is_file`, this raises nothing where a name is too long.
    return path if os.path.isfile(path) else None


def _images(reference: VideoFrameReference) -> Generator[tuple[float, Image], None, None]:
    start = reference.time if reference.time > 0 else None
    with closing(open_video(reference.video, start=start, fps=reference.fps).read()) as frames:
        for frame in frames:
            yield frame.time, frame.image


def _image_at(images: Iterator[tuple[float, Image]], reference: VideoFrameReference) -> Image:
    for time, image in images:
        if abs(time - reference.time) <= TIME_TOLERANCE:
            return image
        if time > reference.time:
            break
    raise UserError(f"{reference.video} has no frame at {reference.time:.3f} s, but there are masks of one")
