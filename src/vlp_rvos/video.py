"""Video in and out: frames as a lazy stream with their times, and H.264 with the same timing.

Nothing here keeps more than a few frames, however long the video is. Images are (H, W, 3) uint8 RGB arrays as a
viewer shows them: rotation metadata is applied. Times are seconds from the start of the video.
"""

from __future__ import annotations

import itertools
import math
import os
import queue
import re
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image as PillowImage
from PIL import ImageOps

from vlp_rvos.atomic import AtomicWriter, part_path
from vlp_rvos.errors import UserError, VLPRVOSWarning

__all__ = [
    "DEFAULT_FPS",
    "ArraySource",
    "Image",
    "Size",
    "VideoFrame",
    "VideoInfo",
    "VideoSource",
    "VideoWriter",
    "copy_picture",
    "open_video",
    "plane_views",
    "prefetch",
]

Image = npt.NDArray[np.uint8]
Size = tuple[int, int]
Item = TypeVar("Item")

FRAME_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
DEFAULT_FPS = 24.0
# A clip of the presets: while the model works on one, the next one is decoded.
PREFETCHED_FRAMES = 6
# Every decoder thread holds frames of its own, so their number is part of the memory bound.
DECODER_THREADS = 4
# Seeking costs a second opening of the file, which pays only where there is much to skip.
SEEK_FROM_SECONDS = 5.0
# Fine enough for every usual frame rate to be exact (29.97 is 2002 ticks), and below MPEG-4's limit of 65535.
WRITER_TIME_BASE = Fraction(1, 60000)
EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class VideoFrame:
    """One selected frame.

    Attributes:
        index: number of the frame, counted from the first one at or after `start`; with `every=N` 0, N, 2N, ...
        time: seconds from the start of the video (not from `start`).
        image: (H, W, 3) uint8 RGB, or of the size that `VideoSource.read` was asked for.
        name: file stem for a folder of frames, otherwise the index with five digits.
        picture: the frame as it was decoded, at the video's own size and not to be changed, where `image` is of
            another size and the source is `planar`.
    """

    index: int
    time: float
    image: Image
    name: str
    picture: av.VideoFrame | None = None


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before it is read.

    Attributes:
        name: file or folder name.
        width, height: pixels, rotation applied.
        fps: average frames per second.
        duration: seconds, as the container claims, or None.
        frames: estimated number of frames that the selection (`every`, `start`, `end`) gives, or None.
    """

    name: str
    width: int
    height: int
    fps: float
    duration: float | None
    frames: int | None


class _Break(Exception):
    """The frames end here, before they should."""


Load = Callable[[Size | None], tuple[Image, av.VideoFrame | None]]


class VideoSource(ABC):
    """A video that can be iterated, lazily, as often as wanted.

    Iterating raises `UserError` where the selection holds no frame. Where the video is broken, the frames up to the
    break come first; then `problem` says what happened, and a `VLPRVOSWarning` with the same words is issued.

    Attributes:
        info: what is known beforehand.
        problem: after an iteration: None, or what was wrong with the video.
        scales: frames can come at another size for less than making and resizing the whole image costs.
        planar: frames that come at another size come with their `picture`.
    """

    info: VideoInfo
    problem: str | None = None
    scales = False
    planar = False
    prefetched = PREFETCHED_FRAMES

    def __init__(self, every: int = 1, start: float | None = None, end: float | None = None) -> None:
        if every < 1:
            raise UserError(f"every must be at least 1, not {every}")
        if start is not None and not 0 <= start < math.inf:
            raise UserError(f"start must be 0 seconds or later, not {start:g}")
        if end is not None and not end > (start or 0):
            raise UserError(f"end ({end:g} s) must be later than start ({start or 0:g} s)")
        self.every, self.start, self.end = every, start, end

    def __iter__(self) -> Iterator[VideoFrame]:
        return self.read()

    def read(self, size: Size | None = None) -> Generator[VideoFrame, None, None]:
        """Iterate; a source with `scales` can give its frames at another size than the video's own.

        The colour conversion is the decoder's at either size, and rounds: colours differ by about one level of 255
        from those of a whole image that is resized. `UserError` and warnings are as in a plain iteration.

        Args:
            size: (height, width) of the images; ignored by sources without `scales`.
        """
        empty = True
        with closing(prefetch(self._selected(size if self.scales else None), self.prefetched)) as frames:
            for frame in frames:
                empty = False
                yield frame
        if empty:
            raise UserError(f"{self.info.name}: {self.problem or self._nothing_selected()}")
        if self.problem:
            warnings.warn(VLPRVOSWarning(f"{self.info.name}: {self.problem}"), stacklevel=2)

    @abstractmethod
    def _read(self) -> Iterator[tuple[float, str | None, Load]]:
        """All frames as (time, name, function that gives image and picture); this and the function may raise `_Break`.

        The function takes a size only where the source has `scales`, otherwise None, the video's own.
        """

    def _selected(self, size: Size | None) -> Generator[VideoFrame, None, None]:
        self.problem = None
        index, time = 0, 0.0
        # Container times are rounded to their time base: a frame at 2.0 s may read 1.99999.
        start, end = (self.start or 0.0) - 1e-3, math.inf if self.end is None else self.end - 1e-3
        try:
            for time, name, load in self._read():
                if time >= end:
                    return
                if time >= start:
                    if index % self.every == 0:
                        image, picture = load(size)
                        yield VideoFrame(index, time, image, name or f"{index:05d}", picture)
                    index += 1
        except _Break as reason:
            self.problem = f"stopped at frame {index} ({time:.2f} s): {reason}"

    def _selected_frames(self, fps: float, duration: float | None) -> int | None:
        end = min(x for x in (self.end, duration, math.inf) if x is not None)
        if end == math.inf:
            return None
        return max(1, math.ceil(round((end - (self.start or 0)) * fps) / self.every))

    def _nothing_selected(self) -> str:
        if self.start is None and self.end is None:
            return "has no frames"
        end = "the end" if self.end is None else f"{self.end:g} s"
        length = "" if self.info.duration is None else f"; the video is {self.info.duration:.2f} s long"
        return f"no frame between {self.start or 0:g} s and {end}{length}"


class ArraySource(VideoSource):
    """Frames that are in memory or come from a generator: images (H, W, 3) uint8 RGB at a constant rate.

    Args:
        frames: the images; a generator can be iterated once.
        fps: frames per second.
        every, start, end: see `open_video`.
    """

    # The iterable is the caller's: it stays in the caller's thread, and nothing is taken from it ahead of need.
    prefetched = 0

    def __init__(
        self,
        frames: Iterable[Image],
        fps: float = DEFAULT_FPS,
        every: int = 1,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        super().__init__(every, start, end)
        self.frames = frames
        self.info = VideoInfo("frames", 0, 0, fps, None, None)

    def _read(self) -> Iterator[tuple[float, str | None, Load]]:
        for index, image in enumerate(self.frames):
            yield index / self.info.fps, None, lambda _, image=image: (image, None)  # type: ignore[misc]


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
        return _FolderSource(path, fps, every, start, end)
    if not path.exists():
        raise UserError(f"no such file or folder: {path}")
    return _FileSource(path, every, start, end)


class _FolderSource(VideoSource):
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
        except _Break as error:
            raise UserError(f"{path}: {error}") from error
        for file in self.files[1:]:
            # An unreadable frame is not a wrong size: it is reported as the break when the reading comes to it.
            with suppress(_Break):
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


class _FileSource(VideoSource):
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
            with suppress(_Break):
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
            with suppress(av.FFmpegError, _Break):
                first = next(decoded, None)
                # Some files have no index to seek by, or land too late: those are read from the beginning.
                if first is not None and first[0] <= self.start:
                    yield from itertools.chain([first], decoded)
                    return
            decoded.close()
        yield from self._decoded()

    def _decoded(self, seek: float | None = None) -> Generator[tuple[float, av.VideoFrame], None, None]:
        """Frames with their times, from the key frame before `seek`; raises `_Break` at the end of a broken file."""
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
            raise _Break(reason)

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
    """Context in which Pillow's many ways to fail become a `_Break` that names the file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError | ValueError | SyntaxError | PillowImage.DecompressionBombError):
            raise _Break(f"{self.file.name} cannot be read as an image") from error


def prefetch(items: Generator[Item, None, None], depth: int) -> Generator[Item, None, None]:
    """Run a generator ahead in a thread that ends, and ends the generator, with this one.

    Args:
        items: what it raises is raised here, in its turn.
        depth: how many items may wait; one more is in the making. 0 runs nothing ahead, and no thread.
    """
    if depth == 0:
        yield from items
        return
    waiting: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
    stop = threading.Event()

    def put(done: bool, value: object) -> bool:
        while not stop.is_set():
            with suppress(queue.Full):
                waiting.put((done, value), timeout=0.1)
                return True
        return False

    def work() -> None:
        failure: BaseException | None = None
        try:
            for item in items:
                if not put(False, item):
                    break
        except BaseException as error:
            failure = error
        finally:
            items.close()
        put(True, failure)

    thread = threading.Thread(target=work, name="vlp-rvos-video", daemon=True)
    thread.start()
    try:
        while True:
            done, value = waiting.get()
            if not done:
                yield value
            elif value is None:
                return
            else:
                raise value
    finally:
        stop.set()
        thread.join()


def plane_views(picture: av.VideoFrame) -> tuple[Image, Image, Image]:
    """Brightness (H, W) and both colours (H / 2, W / 2) of a yuv420p frame, uint8; to write there changes the frame."""
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in picture.planes
    )
    return y, u, v


def copy_picture(picture: av.VideoFrame) -> av.VideoFrame:
    """The pixels of a yuv420p frame in a new one, to be drawn on: a decoder still reads what it has given away."""
    copy = av.VideoFrame(picture.width, picture.height, "yuv420p")
    for plane, original in zip(plane_views(copy), plane_views(picture), strict=True):
        plane[:] = original
    return copy


class VideoWriter(AtomicWriter):
    """Writes an H.264 mp4 (MPEG-4 where FFmpeg was built without x264) beside `path`, renamed when it is complete.

    Every frame keeps its own time, so a variable frame rate stays variable; the first frame is at 0. Sizes must be
    even in this format: an odd side is padded by one repeated row or column (`padded`).

    Args:
        path: the file to write; an existing one is replaced at the end.
        fps: average frame rate; it gives the last frame its duration.

    Example:
        >>> with VideoWriter("out.mp4", fps=25) as writer:
        ...     writer.write(image, time=0.0)
    """

    def __init__(self, path: str | Path, fps: float = DEFAULT_FPS) -> None:
        self.path = Path(path)
        self.fps = fps
        self.padded = False
        self._part = part_path(self.path)
        self._container: av.container.OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._shape: tuple[int, ...] = ()
        self._first_time = 0.0
        self._ticks = -1

    def write(self, image: Image, time: float) -> None:
        """Append a frame.

        Args:
            image: (H, W, 3) uint8 RGB, all of one size.
            time: seconds; a time that does not grow is moved to just behind the frame before.
        """
        if self._stream is None:
            self._open(image.shape, time)
        if image.shape != self._shape:
            raise ValueError(f"frame of shape {image.shape} in a video of {self._shape}")
        if self.padded:
            image = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        self._encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"), time)

    def write_picture(self, picture: av.VideoFrame, time: float, like: av.VideoFrame) -> None:
        """Append a frame that needs no conversion of colours.

        Args:
            picture: yuv420p in limited range, of even sides.
            time: see `write`.
            like: a frame with the same meaning of colours; the file takes it over from the first frame.
        """
        shape = (picture.height, picture.width)
        if self._stream is None:
            self._open(shape, time, like)
        if shape != self._shape[:2] or picture.format.name != "yuv420p":
            raise ValueError(f"picture {shape} {picture.format.name} in a yuv420p video of {self._shape}")
        self._encode(picture, time)

    def _encode(self, frame: av.VideoFrame, time: float) -> None:
        assert self._stream is not None
        assert self._container is not None
        self._ticks = max(round((time - self._first_time) / WRITER_TIME_BASE), self._ticks + 1)
        frame.pts, frame.time_base = self._ticks, WRITER_TIME_BASE
        self._container.mux(self._stream.encode(frame))

    def _open(self, shape: tuple[int, ...], time: float, like: av.VideoFrame | None = None) -> None:
        height, width = shape[:2]
        self._shape, self._first_time, self.padded = shape, time, bool(height % 2 or width % 2)
        self._container = av.open(str(self._part.absolute()), "w", format="mp4", options={"movflags": "faststart"})
        rate = Fraction(self.fps).limit_denominator(1001)
        # B-frames are off: with them the container counts its length by decode times, which cuts variable rates short.
        # One quantizer for all frames: to find one for each, x264 would look at the frame once more.
        if "libx264" in av.codecs_available:
            stream = self._container.add_stream(
                "libx264", rate=rate, options={"preset": "ultrafast", "qp": "23", "bf": "0"}
            )
        else:
            stream = self._container.add_stream(
                "mpeg4", rate=rate, options={"flags": "+qscale", "global_quality": "354", "bf": "0"}
            )
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        context = stream.codec_context
        context.time_base = WRITER_TIME_BASE
        # Code 1 is BT.709 in all three; range 1 is the limited one.
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        if like is not None:
            context.colorspace, context.color_primaries = like.colorspace, like.color_primaries
            context.color_trc = like.color_trc
        self._stream = stream

    def close(self) -> None:
        """Finish the file and move it to its name; without frames nothing is written."""
        if self._stream is None or self._container is None:
            return
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._container = self._stream = None
        os.replace(self._part, self.path)

    def discard(self) -> None:
        """Give up: whatever was written is removed."""
        if self._container is not None:
            with suppress(av.FFmpegError):
                self._container.close()
            self._container = self._stream = None
        self._part.unlink(missing_ok=True)
