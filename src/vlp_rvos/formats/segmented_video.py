"""What `vlp-rvos segment` wrote, together with its video, as results to convert, one frame at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np

from vlp_rvos.arrays import Size
from vlp_rvos.errors import UserError
from vlp_rvos.formats.file_names import safe_name
from vlp_rvos.media.frame_folder import FrameFolder
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.masks_reader import MaskFile, read_masks
from vlp_rvos.media.picture_file import PICTURE_SUFFIXES, PictureFile
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import DEFAULT_FPS, FRAME_RATES, VideoFrame, VideoSource
from vlp_rvos.results import FrameResult

__all__ = ["MASKS_JSON", "SegmentedVideo", "VideoHeader"]

MASKS_JSON = "masks.json"
#: Times in masks.json have six digits.
TIME_TOLERANCE = 2e-6
NO_IMAGE = np.zeros((0, 0, 3), np.uint8)

#: What a segmented video is stored as.
VideoKind = Literal["file", "folder", "picture"]


@dataclass(frozen=True)
class VideoHeader:
    """What is known of a segmented video before its frames are read.

    Attributes:
        name: Name of the video, safe as a name of a file, without the suffix of a file.
        file_name: Name of the video as it was.
        kind: Whether it is a video file, a folder of frames or a picture.
        size: (H, W) in pixels.
        fps: Average number of frames per second, whether they were segmented or not.
        step: N where every Nth frame was segmented.
        expressions: The E expressions.
        model: Name and version of the model.
        first_time: Time of the first segmented frame, in seconds.
        first_number: Number of the first segmented frame in the whole video, counted from 0.
        pixel_aspect: Width of a pixel divided by its height, as it is shown; 1 where the video is not given.
        video: Path of the video file or folder of frames; None where it is not given.
    """

    name: str
    file_name: str
    kind: VideoKind
    size: Size
    fps: float
    step: int
    expressions: tuple[str, ...]
    model: str
    first_time: float
    first_number: int
    pixel_aspect: Fraction
    video: Path | None

    @property
    def video_file_name(self) -> str:
        """Name of a copy of the video file, safe as a name of a file, with suffix."""
        suffix = "" if self.kind == "folder" else PurePath(self.file_name).suffix.lower()
        return f"{self.name}.{safe_name(suffix, 'mp4')}"

    @property
    def media_fps(self) -> float:
        """Frames per second that a written video of the segmented frames states; see `FRAME_RATES`."""
        return min(max(self.fps / self.step, FRAME_RATES.low), FRAME_RATES.high)

    def frame_number(self, result: FrameRecord) -> int:
        """Number of a frame in the whole video, counted from 0.

        Results count from the start of the selection (`--start`). With a variable frame rate, the number of the first
        selected frame is an estimate.
        """
        return self.first_number + result.index


class SegmentedVideo:
    """The results of `vlp-rvos segment`, and the video that they are of.

    Args:
        path: The output folder of `vlp-rvos segment`, or the `masks.json` in it.
        video: The video, picture or folder of frames that was segmented; None to do without pixels.

    Attributes:
        header: What is known before the frames are read.
        masks: The `masks.json`.

    Raises:
        UserError: There are no results, they hold no frame, the video cannot be read, or it has another size.
    """

    def __init__(self, path: Path, video: Path | None = None) -> None:
        self.masks: MaskFile = read_masks(path / MASKS_JSON if path.is_dir() else path)
        beginning = list(islice(self.masks.entries(), 2))
        if not beginning:
            raise UserError(f"{self.masks.path} holds no frames: segment the video again")
        first = beginning[0]
        about = self.masks.video
        fps = about.get("fps")
        rate = float(fps) if type(fps) in (int, float) and fps in FRAME_RATES else DEFAULT_FPS  # type: ignore[arg-type, operator]
        self._source: VideoSource | None = None
        if video is not None:
            start = first["time"] if first["time"] > 0 else None
            self._source = open_video(video, fps=rate, start=start)
            self._check_size(self._source)
        info = None if self._source is None else self._source.info
        name = str(about.get("name") or "video")
        kind = _kind(self._source, name, beginning)
        model = " ".join(str(self.masks.model.get(key, "")) for key in ("name", "version")).strip()
        self.header = VideoHeader(
            name=safe_name(name if kind == "folder" else PurePath(name).stem),
            file_name=name,
            kind=kind,
            size=(about["height"], about["width"]),
            fps=rate,
            step=max(1, beginning[-1]["index"] - first["index"]),
            expressions=self.masks.expressions,
            model=model,
            first_time=float(first["time"]),
            first_number=max(0, round(first["time"] * rate) - first["index"]),
            pixel_aspect=Fraction(1) if info is None else info.pixel_aspect,
            video=video,
        )

    @property
    def frames(self) -> int:
        """How many frames there are. Reads the whole file."""
        return sum(1 for _ in self.masks.entries())

    def __iter__(self) -> Iterator[FrameResult]:
        """The results in their order; their `image` is (0, 0, 3) where the video is not given.

        Raises:
            UserError: `masks.json` is damaged, or the video does not have one of the frames.
        """
        with closing(self._images()) as images:
            for frame in self.masks:
                image = NO_IMAGE if self._source is None else _image_at(images, frame.time, self._source)
                yield FrameResult(
                    index=frame.index,
                    time=frame.time,
                    image=image,
                    masks=frame.masks,
                    scores=frame.scores,
                    presences=frame.presences,
                    expressions=frame.expressions,
                    name=frame.name,
                )

    def _images(self) -> Generator[VideoFrame, None, None]:
        if self._source is not None:
            with closing(self._source.read()) as frames:
                yield from frames

    def _check_size(self, source: VideoSource) -> None:
        size, wanted = (source.info.width, source.info.height), (self.masks.video["width"], self.masks.video["height"])
        if size != wanted:
            found, other = (f"{width}x{height}" for width, height in (size, wanted))
            raise UserError(f"{source.info.name} is {found}, but the masks are {other}: give the video they are of")


def _kind(source: VideoSource | None, name: str, beginning: Sequence[dict[str, Any]]) -> VideoKind:
    """What a video is; guessed by names where there is no source.

    Args:
        source: The video.
        name: Its name.
        beginning: The entries of its first two frames.
    """
    if source is not None:
        return "folder" if isinstance(source, FrameFolder) else "picture" if isinstance(source, PictureFile) else "file"
    suffix = PurePath(name).suffix.lower()
    if not suffix or any(entry["name"] != f"{entry['index']:05d}" for entry in beginning):
        return "folder"
    return "picture" if suffix in PICTURE_SUFFIXES and len(beginning) == 1 else "file"


def _image_at(images: Iterator[VideoFrame], time: float, source: VideoSource) -> np.ndarray:
    for frame in images:
        if abs(frame.time - time) <= TIME_TOLERANCE:
            return frame.image
        if frame.time > time:
            break
    raise UserError(f"{source.info.name} has no frame at {time:.3f} s, but there are masks: give the video they are of")
