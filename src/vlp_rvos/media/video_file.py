"""Frames of a video file, decoded lazily by FFmpeg, with their times."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Generator, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError
from vlp_rvos.media.video_source import DEFAULT_FPS, Load, VideoBreak, VideoInfo, VideoSource

__all__ = ["FileSource"]

# Every decoder thread holds frames of its own, so their number is part of the memory bound.
DECODER_THREADS = 4


# Seeking costs a second opening of the file, which pays only where there is much to skip.
SEEK_FROM_SECONDS = 5.0


class FileSource(VideoSource):
    # The colour conversion scales in the same pass.
    scales = True

    def __init__(self, path: Path, every: int, start: float | None, end: float | None) -> None:
        super().__init__(every, start, end)
        self.path = path
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty: not a video")
        try:
            with _open_container(path) as container:
                stream = _video_stream(container, path)
                fps = float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
                duration = _duration(container, stream)
                total = stream.frames
        except av.FFmpegError as error:
            reason = error.strerror or "unknown format"
            raise UserError(f"{path} cannot be read as a video ({reason}); is it one, and is it complete?") from error
        try:
            with suppress(VideoBreak):
                _, frame = next(self._decoded(), (None, None))
        except av.FFmpegError as error:
            raise UserError(f"{path}: no frame can be decoded ({error.strerror})") from error
        if frame is None:
            raise UserError(f"{path} has no frames that can be decoded")
        self._turn = _display_matrix(frame)
        height, width = (frame.width, frame.height) if _lies(self._turn) else (frame.height, frame.width)
        limited = frame.format.name == "yuv420p" and frame.color_range != ColorRange.JPEG
        self.planar = limited and self._turn == (1, 0, 0, 1) and height % 2 == width % 2 == 0
        whole = total and every == 1 and start is None and end is None
        frames = total if whole else self._selected_frames(fps, duration)
        self.info = VideoInfo(path.name, width, height, fps, duration, frames)

    def _read(self) -> Iterator[tuple[float, str | None, Load]]:
        scaler = _Scaler()
        for time, frame in self._frames():
            yield time, None, lambda size, frame=frame: self._image(frame, size, scaler)  # type: ignore[misc]

    def _image(self, frame: av.VideoFrame, size: Size | None, scaler: _Scaler) -> tuple[Image, av.VideoFrame | None]:
        if size is not None:
            height, width = size[::-1] if _lies(self._turn) else size
            small = scaler.scale(frame, width, height)
            # A frame of the usual kind passes without a copy.
            picture = frame.reformat(self.info.width, self.info.height, "yuv420p") if self.planar else None
            return _turned(small, self._turn), picture
        image = _turned(frame, self._turn)
        width, height = self.info.width, self.info.height
        if image.shape[:2] != (height, width):
            # Adaptive streams change their resolution on the way; the masks have one.
            image = np.asarray(PillowImage.fromarray(image).resize((width, height), PillowImage.Resampling.BILINEAR))
        return image, None

    def _frames(self) -> Iterator[tuple[float, av.VideoFrame]]:
        if self.start is not None and self.start >= SEEK_FROM_SECONDS:
            decoded = self._decoded(self.start)
            with suppress(av.FFmpegError, VideoBreak):
                first = next(decoded, None)
                # Some files have no index to seek by, or land too late: those are read from the beginning.
                if first is not None and first[0] <= self.start:
                    yield from itertools.chain([first], decoded)
                    return
            decoded.close()
        yield from self._decoded()

    def _decoded(self, seek: float | None = None) -> Generator[tuple[float, av.VideoFrame], None, None]:
        """Frames with their times, from the key frame before `seek`; raises `VideoBreak` at the end of a broken file."""
        with _open_container(self.path) as container:
            stream = _video_stream(container, self.path)
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = DECODER_THREADS
            tick = stream.time_base or Fraction(1, av.time_base)
            origin = 0.0 if container.start_time is None else container.start_time / av.time_base
            interval = 1 / float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
            if seek is not None:
                container.seek(int((seek + origin) / tick), stream=stream)
            time, end = -interval, 0.0
            damaged, cut, reason = False, False, None
            packets = container.demux(stream)
            while True:
                try:
                    packet = next(packets, None)
                except av.FFmpegError as error:
                    packet, reason = None, error.strerror or "the file cannot be read further"
                if packet is not None and packet.size:
                    cut = packet.is_corrupt
                    if packet.pts is not None:
                        end = max(end, float((packet.pts + (packet.duration or 0)) * tick) - origin)
                try:
                    frames = stream.decode(packet)
                except av.EOFError:
                    frames = []
                except av.FFmpegError as error:
                    frames = []
                    if not damaged:
                        damaged = True
                        self.problem = f"damaged near {max(time, 0):.2f} s ({error.strerror}); frames may be missing"
                for frame in frames:
                    time = time + interval if frame.pts is None else float(frame.pts * tick) - origin
                    yield time, frame
                if packet is None:
                    break
            if reason is None and cut:
                reason = "the file ends in the middle of a frame"
            elif reason is None:
                reason = self._missing_end(container, stream, max(end, time + interval), interval)
        if reason is not None:
            raise VideoBreak(reason)

    def _missing_end(
        self, container: av.container.InputContainer, stream: VideoStream, end: float, interval: float
    ) -> str | None:
        """Why a file that ended without an error at `end` seconds is not complete; None where it is."""
        announced = _announced_length(container, stream)
        if announced - end > max(0.5, 3 * interval):
            return f"the file ends here, but announces {announced:.2f} s"
        if container.format.name == "gif" and not _has_gif_trailer(self.path):
            return "the file ends without its end mark"
        return None


class _Scaler:
    """Frames at another size, in RGB; what is set up for one is kept for all, but only for one thread."""

    def __init__(self) -> None:
        # Scaling has a quick form for pixels of four bytes only; the fourth is dropped after it.
        self._scaling, self._packing = VideoReformatter(), VideoReformatter()

    def scale(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        # In one thread: to begin and end several costs a third as much again as the scaling.
        wide = self._scaling.reformat(frame, width, height, "rgba", interpolation=Interpolation.BILINEAR, threads=1)
        return self._packing.reformat(wide, width, height, "rgb24", threads=1)


def _open_container(path: Path) -> av.container.InputContainer:
    # An absolute path cannot be taken for a protocol ("a:b.mp4").
    return av.open(str(path.absolute()), "r", metadata_errors="replace")


def _video_stream(container: av.container.InputContainer, path: Path) -> VideoStream:
    # FFmpeg shows text files as pictures of a terminal.
    text = container.format.name == "tty"
    for stream in () if text else container.streams.video:
        picture = stream.disposition & av.stream.Disposition.attached_pic
        if not picture and stream.codec_context is not None:
            return stream
    raise UserError(f"{path} has no video in it")


def _duration(container: av.container.InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _announced_length(container: av.container.InputContainer, stream: VideoStream) -> float:
    """The least that the headers promise of the video stream, in seconds; 0 where they may mean another stream."""
    promises = []
    if stream.duration and stream.time_base:
        promises.append(float(stream.duration * stream.time_base))
    if tag := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, tag.groups())
        promises.append(3600 * hours + 60 * minutes + seconds)
    if container.duration and len(container.streams) == 1:
        promises.append(container.duration / av.time_base)
    return min(promises, default=0.0)


def _has_gif_trailer(path: Path) -> bool:
    # A GIF announces no length: its last byte is the only sign that it is complete.
    with path.open("rb") as file:
        file.seek(-min(64, path.stat().st_size), os.SEEK_END)
        return file.read().rstrip(b"\0\r\n").endswith(b";")


Matrix = tuple[int, int, int, int]


def _display_matrix(frame: av.VideoFrame) -> Matrix:
    """(a, b, c, d) of x' = a x + c y, y' = b x + d y, with y downwards: how a viewer turns and mirrors the frames.

    It is read from one frame for the whole video: a frame whose side data was looked at is in a reference cycle, and
    would keep its picture until the garbage collector runs.
    """
    data = frame.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
    if data is None:
        return (1, 0, 0, 1)
    (a, b), (c, d) = np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2].tolist()
    return (a, b, c, d)


def _lies(matrix: Matrix) -> bool:
    """Whether rows of the coded frame are columns of the shown one."""
    a, b, c, d = matrix
    return abs(b) + abs(c) > abs(a) + abs(d)


def _turned(frame: av.VideoFrame, matrix: Matrix) -> Image:
    """The frame as RGB, as a viewer shows it; turned by the nearest multiple of 90 degrees."""
    image = frame.to_ndarray(format="rgb24")
    a, b, c, d = matrix
    if _lies(matrix):
        image, a, d = image.swapaxes(0, 1), c, b
    image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(image, dtype=np.uint8)
