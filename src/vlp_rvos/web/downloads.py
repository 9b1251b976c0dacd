"""Files that a visitor takes away: made on demand from the video and the masks that were found."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError
from vlp_rvos.formats.frame_effects import cut_out
from vlp_rvos.media.mask_png import PaletteMaskWriter
from vlp_rvos.media.masks_json import MasksJsonWriter
from vlp_rvos.media.overlay_style import OverlayStyle
from vlp_rvos.media.overlay_video import OverlayWriter
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.results import FrameResult
from vlp_rvos.utils.atomic import replace_file
from vlp_rvos.web.found_masks import FoundMasks

__all__ = ["DOWNLOADS", "Finished", "make_download"]


#: Size (H, W) of images that nobody looks at.
UNUSED = (16, 16)


@dataclass
class Finished:
    """A job that has found masks.

    Attributes:
        video: the video.
        found: the masks.
        every: every which frame was processed.
        start: time in seconds of the first frame.
        end: time in seconds before which the last frame was taken.
        model: name and version of the model.
        pointed: number of the masks, the last ones, whose things were pointed at.
        truncated: why the frames end early; None where they do not.
    """

    video: Path
    found: FoundMasks
    every: int
    start: float
    end: float
    model: tuple[str, str]
    pointed: int = 0
    truncated: str | None = None

    def frames(self, *, yuv: bool = False) -> Iterator[FrameResult]:
        """The results with the images of the video, in its order.

        Args:
            yuv: give the decoded frames instead where the source has them, beside images that are too small for use.
        """
        source = open_video(self.video, every=self.every, start=self.start, end=self.end)
        with closing(source.read(UNUSED if yuv and source.has_yuv_frames else None)) as frames:
            for number, frame in zip(range(len(self.found)), frames, strict=False):
                yield self.found.result(number, frame.image, frame.yuv_frame)


def _write_overlay(path: Path, job: Finished, style: OverlayStyle) -> None:
    info = open_video(job.video).info
    with OverlayWriter(path, job.found.names, info.fps / job.every, info.pixel_aspect, style) as writer:
        for result in job.frames(yuv=True):
            writer.write(result)


def _write_masks(path: Path, job: Finished, style: OverlayStyle) -> None:
    with TemporaryDirectory(dir=path.parent) as folder:
        masks = Path(folder) / "masks"
        with PaletteMaskWriter(masks) as writer:
            for result in job.found.results():
                writer.write(result)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(masks.iterdir()):
                archive.write(file, f"masks/{file.name}")


def _write_cut_out(path: Path, job: Finished, style: OverlayStyle) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for result in job.frames():
            rgba = cut_out(result.image, np.asarray(result.masks.any(axis=0)))
            buffer = io.BytesIO()
            # Fast: most of a cut-out is empty, and compresses well at any level.
            PillowImage.fromarray(rgba).save(buffer, "PNG", compress_level=2)
            archive.writestr(f"cut-out/{result.name}.png", buffer.getvalue())


def _write_json(path: Path, job: Finished, style: OverlayStyle) -> None:
    info = replace(open_video(job.video).info, name=job.video.name)
    with MasksJsonWriter(path, info, job.found.names, *job.model, job.pointed) as writer:
        for result in job.found.results():
            writer.write(result)
        writer.truncated = job.truncated


#: Label on the page -> (name of the file, what writes it).
DOWNLOADS: dict[str, tuple[str, Callable[[Path, Finished, OverlayStyle], None]]] = {
    "Overlay video": ("overlay.mp4", _write_overlay),
    "Masks": ("masks.zip", _write_masks),
    "Cut-out": ("cut-out.zip", _write_cut_out),
    "JSON": ("masks.json", _write_json),
}


def make_download(label: str, folder: Path, job: Finished, style: OverlayStyle) -> Path:
    """Make a file for download.

    Args:
        label: one of `DOWNLOADS`.
        folder: folder that gets the file.
        job: the job and its masks.
        style: how masks are drawn.

    Raises:
        UserError: no frame was processed, or the disk is full.
    """
    name, write = DOWNLOADS[label]
    if not len(job.found):
        raise UserError("there are no masks yet: find something first")
    path = folder / name
    try:
        replace_file(path, lambda part: write(part, job, style), durable=False)
    except OSError as error:
        raise UserError(f"{name} cannot be made: {error.strerror or error}") from error
    return path
