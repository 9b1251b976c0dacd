"""The answer to one request, written into the request's folder while the masks are made."""

from __future__ import annotations

import os
import zipfile
from contextlib import ExitStack
from pathlib import Path

from vlp_rvos.media.mask_png import PaletteMaskWriter
from vlp_rvos.media.masks_json import MasksJsonWriter, frame_record
from vlp_rvos.media.overlay_video import OverlayWriter
from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.media.video_source import VideoInfo, VideoSource
from vlp_rvos.results import FrameResult
from vlp_rvos.serving.tasks import RESULTS, Notice, Request
from vlp_rvos.utils.json_text import json_text

__all__ = ["Answer", "FileAnswer", "LineAnswer", "result_line"]

OVERLAY, MASKS, MASKS_JSON, ARCHIVE = "overlay.mp4", "masks", "masks.json", "results.zip"


def result_line(result: FrameResult) -> str:
    """The line for one frame: its index and time, and score, presence and mask of each expression."""
    return json_text(frame_record(result)) + "\n"


class Answer:
    """What the masks of one request are written into.

    Args:
        request: the request.

    Attributes:
        frames: number of frames so far.
    """

    def __init__(self, request: Request) -> None:
        self.request, self.frames = request, 0

    def write(self, result: FrameResult) -> None:
        """Write the masks of the next frame."""
        self.frames += 1

    def progress(self) -> Notice:
        """What can be read so far."""
        return Notice(self.request.id, "written", frames=self.frames)

    def finish(self, truncated: str | None) -> Notice:
        """Complete the answer; `truncated` says why the video broke off, None where it did not."""
        raise NotImplementedError

    def discard(self) -> None:
        """Let go of the files of an answer that is not completed."""


class LineAnswer(Answer):
    """Lines of JSON: one about the video, one for each frame, and one that says that this is all.

    Args:
        request: the request.
        video: what is known of the video.
        name: name that the user gave to the video.
        model: name and version of the model.
    """

    def __init__(self, request: Request, video: VideoInfo, name: str, model: tuple[str, str]) -> None:
        super().__init__(request)
        self._file = (Path(request.folder) / RESULTS).open("x", encoding="utf-8")
        head = {
            "request_id": request.id,
            "model": dict(zip(("name", "version"), model, strict=True)),
            "video": {"name": name, "width": video.width, "height": video.height, "fps": video.fps},
            "expressions": request.expressions,
        }
        self._file.write(json_text(head) + "\n")

    def write(self, result: FrameResult) -> None:
        super().write(result)
        self._file.write(result_line(result))

    def progress(self) -> Notice:
        self._file.flush()
        size = os.fstat(self._file.fileno()).st_size
        return Notice(self.request.id, "written", size=size, frames=self.frames)

    def finish(self, truncated: str | None) -> Notice:
        self._file.write(json_text({"done": True, "frames": self.frames, "truncated": truncated}) + "\n")
        self._file.flush()
        size = os.fstat(self._file.fileno()).st_size
        self._file.close()
        return Notice(self.request.id, "finished", size=size, frames=self.frames)

    def discard(self) -> None:
        self._file.close()


class FileAnswer(Answer):
    """One file: the video with the masks drawn on it, or a zip file of all that `vlp-rvos segment` writes.

    Args:
        request: the request.
        source: the video.
        name: name that the user gave to the video.
        model: name and version of the model.
    """

    def __init__(self, request: Request, source: VideoSource, name: str, model: tuple[str, str]) -> None:
        super().__init__(request)
        folder, self._stack = Path(request.folder), ExitStack()
        self._masks_json: MasksJsonWriter | None = None
        rate, info = source.info.fps / source.every, source.info
        try:
            overlay = OverlayWriter(folder / OVERLAY, request.expressions, rate, info.pixel_aspect)
            self._writers: list[ResultWriter] = [self._stack.enter_context(overlay)]
            if request.output == "zip":
                named = VideoInfo(name, info.width, info.height, info.fps, info.duration, info.frames)
                self._masks_json = MasksJsonWriter(folder / MASKS_JSON, named, request.expressions, *model)
                self._writers.append(self._stack.enter_context(self._masks_json))
                self._writers.append(self._stack.enter_context(PaletteMaskWriter(folder / MASKS)))
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise

    def write(self, result: FrameResult) -> None:
        super().write(result)
        for writer in self._writers:
            writer.write(result)

    def finish(self, truncated: str | None) -> Notice:
        folder, name = Path(self.request.folder), OVERLAY
        if self._masks_json is not None:
            self._masks_json.truncated = truncated
        self._stack.close()
        if self._masks_json is not None:
            name = ARCHIVE
            # Pictures and videos hardly get smaller.
            with zipfile.ZipFile(folder / ARCHIVE, "x", zipfile.ZIP_STORED) as archive:
                for file in (folder / OVERLAY, folder / MASKS_JSON, *sorted((folder / MASKS).iterdir())):
                    archive.write(file, file.relative_to(folder).as_posix())
        return Notice(self.request.id, "finished", frames=self.frames, file=name)

    def discard(self) -> None:
        stop = InterruptedError()
        self._stack.__exit__(type(stop), stop, None)
