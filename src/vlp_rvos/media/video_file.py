"""Frames of a video file, decoded lazily by FFmpeg, with their times."""

from __future__ import annotations

import itertools
import math
import os
import re
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError
from vlp_rvos.media.frame_times import FrameTimes, StampQueue, plausible_rate
from vlp_rvos.media.joined_videos import has_joined_video
from vlp_rvos.media.orientation import Orientation
from vlp_rvos.media.video_source import DEFAULT_FPS, PendingFrame, TruncatedVideo, VideoInfo, VideoSource

__all__ = ["VideoFile"]

# Every decoder thread holds frames of its own, so their number is part of the memory bound.
DECODER_THREADS = 4

# A pixel that is longer than this is an error in the file.
MAX_PIXEL_ASPECT = 8

# Packets whose time stamps are looked at before the first frame is decoded.
PROBED_PACKETS = 32

# Going on from the last key frame costs a second opening of the file, which pays only where there is much to skip.
SEEK_FROM_SECONDS = 5.0

ORDER_NOTE = "time stamps are in the order of decoding: they were sorted"

# Bytes of compressed frames that are kept while looking for the last key frame before `start`.
MAX_SKIPPED_BYTES = 1 << 26


class VideoFile(VideoSource):
    """A video file of any format that FFmpeg reads.

    Args:
        path: The file.
        every: Take every Nth frame.
        start: Take frames from this time on, in seconds; None for the beginning.
        end: Take frames before this time, in seconds; None for the end.

    Raises:
        UserError: The file is not a video, or its first frame cannot be decoded.
    """

    # The conversion of colours resizes in the same pass.
    can_resize = True

    def __init__(self, path: Path, every: int, start: float | None, end: float | None) -> None:
        super().__init__(every, start, end)
        self.path = path
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty: not a video")
        try:
            with _open_container(path) as container:
                self._probe = _probe(container, _video_stream(container, path))
        except av.FFmpegError as error:
            reason = error.strerror or "unknown format"
            raise UserError(f"{path} cannot be read as a video ({reason}); is it one, and is it complete?") from error
        first, why = None, ""
        with closing(self._decoded()) as decoded:
            try:
                first = next(decoded, None)
            except (av.FFmpegError, TruncatedVideo) as error:
                why = f" ({getattr(error, 'strerror', None) or error})"
        if first is None:
            raise UserError(f"{path}: no frame can be decoded{why}")
        time, frame = first
        if time < 0:
            self._probe = replace(self._probe, zero=self._probe.zero + time)
        self._orientation = Orientation.of(frame, self._probe.first_packet)
        height, width = self._orientation.swap((frame.height, frame.width))
        is_limited_yuv = frame.format.name == "yuv420p" and frame.color_range != ColorRange.JPEG
        is_even = height % 2 == width % 2 == 0
        self.has_yuv_frames = is_limited_yuv and is_even and self._orientation == Orientation()
        fps, duration, total = self._probe.fps, self._probe.duration, self._probe.frames
        is_whole = total and every == 1 and start is None and end is None
        frames = total if is_whole else self._count_selected(fps, duration)
        aspect = self._probe.pixel_aspect
        shown = 1 / aspect if self._orientation.transposed else aspect
        self.info = VideoInfo(path.name, width, height, fps, duration, frames, shown)

    @property
    def first_stamp(self) -> float:
        """The time stamp in the file, in seconds, from which the times of frames count."""
        return self._probe.zero

    def _read(self) -> Iterator[PendingFrame]:
        resizer = _Resizer()
        for time, frame in self._frames():
            yield PendingFrame(time, None, partial(self._load, frame, resizer))

    def _load(self, frame: av.VideoFrame, resizer: _Resizer, size: Size | None) -> tuple[Image, av.VideoFrame | None]:
        width, height = self.info.width, self.info.height
        if size is not None:
            small = resizer.resize(frame, self._orientation.swap(size))
            # A frame that has the format and the size of the first one passes without a copy.
            yuv_frame = frame.reformat(width, height, "yuv420p") if self.has_yuv_frames else None
            return self._orientation.to_image(small), yuv_frame
        image = self._orientation.to_image(frame)
        if image.shape[:2] != (height, width):
            # Adaptive streams change their resolution on the way; all masks have the resolution of the first frame.
            image = np.asarray(PillowImage.fromarray(image).resize((width, height), PillowImage.Resampling.BILINEAR))
        return image, None

    def _frames(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """Frames with their times, without most of those before `start`."""
        if self.start is not None and self.start >= SEEK_FROM_SECONDS and not self._probe.is_in_decoding_order:
            with closing(self._decoded(self.start)) as decoded:
                first = None
                with suppress(av.FFmpegError, TruncatedVideo):
                    first = next(decoded, None)
                # Some files have no index to seek by, or land too late: those are read from the beginning.
                if first is not None and first[0] <= self.start:
                    yield first
                    yield from decoded
                    return
        yield from self._decoded()

    def _decoded(self, start: float | None = None) -> Generator[tuple[float, av.VideoFrame], None, None]:
        """Frames with their times, from a key frame before `start` (seconds) or the beginning.

        Raises:
            TruncatedVideo: After the last frame of a file that is not complete.
        """
        probe = self._probe
        with _open_container(self.path) as container:
            stream = _video_stream(container, self.path)
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = DECODER_THREADS
            time_base = stream.time_base or Fraction(1, av.time_base)
            packets = container.demux(stream)
            if start is not None:
                target = int((start + probe.zero) / time_base)
                if probe.has_index:
                    container.seek(target, stream=stream)
                else:
                    packets = itertools.chain(_from_key_frame(packets, target), packets)
            interval = 1 / probe.fps
            times, queue = FrameTimes(interval), StampQueue() if probe.is_in_decoding_order else None
            time, end, last_byte = -interval, 0.0, 0
            is_damaged, is_cut, reason = False, False, None
            while True:
                try:
                    packet = next(packets, None)
                except av.FFmpegError as error:
                    packet, reason = None, error.strerror or "the file cannot be read further"
                if packet is not None and packet.size:
                    is_cut = packet.is_corrupt
                    last_byte = max(last_byte, (packet.pos or 0) + packet.size)
                    if packet.pts is not None:
                        stamp = float(packet.pts * time_base) - probe.zero
                        end = max(end, stamp + float((packet.duration or 0) * time_base))
                        if queue is not None:
                            queue.push(stamp)
                try:
                    frames = stream.decode(packet)
                except av.EOFError:
                    frames = []
                except av.FFmpegError as error:
                    frames = []
                    if not is_damaged:
                        is_damaged = True
                        self.problem = f"damaged near {max(time, 0):.2f} s ({error.strerror}); frames may be missing"
                for frame in frames:
                    own = None if frame.pts is None else float(frame.pts * time_base) - probe.zero
                    time = times.of(own if queue is None else queue.pop(own))
                    self.note = ORDER_NOTE if queue is not None else times.note()
                    yield time, frame
                if packet is None:
                    break
            if reason is None and is_cut:
                reason = "the file ends in the middle of a frame"
            elif reason is None:
                reason = self._missing_end(container, stream, max(end, time + interval), interval)
                if reason is None and has_joined_video(self.path, container.format.name, last_byte):
                    reason = "another video is joined to this one and cannot be read; split the file"
        if reason is not None:
            raise TruncatedVideo(reason)

    def _missing_end(
        self, container: av.container.InputContainer, stream: VideoStream, end: float, interval: float
    ) -> str | None:
        """Say why a file that ended without an error at `end` seconds is not complete; None where it is complete."""
        stated = _stated_length(container, stream)
        if "matroska" in container.format.name:
            # Its lengths count from the stamp 0.
            stated -= self._probe.zero
        if stated - end > max(0.5, 3 * interval):
            return f"the file ends here, but announces {stated:.2f} s"
        if container.format.name == "gif" and not _has_gif_trailer(self.path):
            return "the file ends without its end mark"
        return None


@dataclass(frozen=True)
class _Probe:
    """What the headers and the first packets of a file say.

    Attributes:
        fps: Frames per second.
        duration: Length in seconds as the container states it; None where it states none.
        frames: Number of frames as the container states it; 0 where it states none.
        zero: Stamp of the start of the video, in seconds.
        is_in_decoding_order: Whether the stamps grow in the order of decoding although frames are shown in another.
        has_index: Whether the file has a table of its frames, by which to seek.
        first_packet: Content of the first packet.
        pixel_aspect: Width of a stored pixel divided by its height, as it is shown.
    """

    fps: float
    duration: float | None
    frames: int
    zero: float
    is_in_decoding_order: bool
    has_index: bool
    first_packet: bytes
    pixel_aspect: Fraction


def _probe(container: av.container.InputContainer, stream: VideoStream) -> _Probe:
    time_base = stream.time_base or Fraction(1, av.time_base)
    packets: list[av.Packet[VideoStream]] = []
    with suppress(av.FFmpegError):
        packets += itertools.islice((packet for packet in container.demux(stream) if packet.size), PROBED_PACKETS)
    stamps = [packet.pts for packet in packets if packet.pts is not None]
    average, guessed = (None if rate is None else float(rate) for rate in (stream.average_rate, stream.guessed_rate))
    if _duration(container, stream) is None:
        # Of a file without times, FFmpeg states an average of its own, but the codec may know better.
        average, guessed = guessed, average
    # A table of all frames gives the average, whatever the first ones are like.
    shown = [] if stream.frames else [float(stamp * time_base) for stamp in stamps]
    fps = plausible_rate(average, guessed, shown, DEFAULT_FPS)
    is_avi = container.format.name == "avi"
    grows = all(earlier < later for earlier, later in itertools.pairwise(stamps))
    may_reorder = grows and len(stamps) > 1 and stream.codec_context.has_b_frames
    zero = 0.0 if container.start_time is None else container.start_time / av.time_base
    if (is_avi or container.start_time is None) and packets and packets[0].pts is not None:
        # Stamps that count packets are early by the delay of decoding, which FFmpeg adds.
        first = packets[0].pts if packets[0].dts is None or not is_avi else packets[0].pts - packets[0].dts
        zero = float(first * time_base)
    return _Probe(
        fps,
        _duration(container, stream),
        stream.frames,
        zero,
        # AVI numbers its packets, whatever the order in which their frames are shown.
        is_in_decoding_order=bool(may_reorder and (is_avi or _goes_back(stream, packets))),
        # A file in fragments has stamps of its own in each.
        has_index="mp4" in container.format.name.split(",") and stream.frames > 0,
        first_packet=bytes(packets[0]) if packets else b"",
        pixel_aspect=_pixel_aspect(stream),
    )


def _pixel_aspect(stream: VideoStream) -> Fraction:
    """Width of a pixel divided by its height; 1 where the file states none that makes sense."""
    stated = stream.sample_aspect_ratio or Fraction(1)
    return stated if 1 / MAX_PIXEL_ASPECT <= stated <= MAX_PIXEL_ASPECT else Fraction(1)


def _goes_back(stream: VideoStream, packets: list[av.Packet[VideoStream]]) -> bool:
    """Whether the stamps of the frames that these first packets decode to go back."""
    stamps: list[int] = []
    with suppress(av.FFmpegError):
        for packet in (*packets, None):
            stamps += [frame.pts for frame in stream.decode(packet) if frame.pts is not None]
    return any(later < earlier for earlier, later in itertools.pairwise(stamps))


def _from_key_frame(packets: Iterator[av.Packet[VideoStream]], target: int) -> list[av.Packet[VideoStream]]:
    """The packets from the last key frame that is shown at `target` (in ticks of the stream) or before.

    Without decoding: stamps that go back or are missing mean that a time cannot be known from its stamp alone.

    Raises:
        TruncatedVideo: There is no such place, the stamps go back, or the packets are too large to be kept.
    """
    kept: list[av.Packet[VideoStream]] = []
    size, latest, floor = 0, -math.inf, -math.inf
    for packet in packets:
        if not packet.size:
            continue
        if packet.pts is None or packet.pts <= (latest if packet.is_keyframe else floor) or size > MAX_SKIPPED_BYTES:
            raise TruncatedVideo("the place of a time cannot be known from its stamp alone")
        if packet.is_keyframe:
            floor = latest
            if packet.pts <= target:
                kept, size = [], 0
        kept.append(packet)
        size += packet.size
        latest = max(latest, packet.pts)
        if packet.pts > target:
            return kept
    raise TruncatedVideo("the file ends before the time")


class _Resizer:
    """Converts frames to RGB of another size. What it sets up for one frame serves the next, in one thread only."""

    def __init__(self) -> None:
        # FFmpeg resizes quickly only into pixels of four bytes; the fourth is dropped afterwards.
        self._resizing, self._packing = VideoReformatter(), VideoReformatter()

    def resize(self, frame: av.VideoFrame, size: Size) -> av.VideoFrame:
        """A frame of size (H, W) in the format rgb24."""
        height, width = size
        # One thread: starting several and waiting for them costs a third as much again as the resizing itself.
        rgba = self._resizing.reformat(frame, width, height, "rgba", interpolation=Interpolation.BILINEAR, threads=1)
        return self._packing.reformat(rgba, width, height, "rgb24", threads=1)


def _open_container(path: Path) -> av.container.InputContainer:
    # An absolute path cannot be taken for a protocol ("a:b.mp4").
    return av.open(str(path.absolute()), "r", metadata_errors="replace")


def _video_stream(container: av.container.InputContainer, path: Path) -> VideoStream:
    # FFmpeg draws text files on a terminal and calls that a video.
    is_text = container.format.name == "tty"
    for stream in () if is_text else container.streams.video:
        is_cover_image = stream.disposition & av.stream.Disposition.attached_pic
        if not is_cover_image and stream.codec_context is not None:
            return stream
    raise UserError(f"{path} has no video in it")


def _duration(container: av.container.InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _stated_length(container: av.container.InputContainer, stream: VideoStream) -> float:
    """The shortest length of the video stream that the headers state, in seconds; 0 where they state none.

    The length of a container with several streams may be that of its sound, and is left out.
    """
    lengths = []
    if stream.duration and stream.time_base:
        lengths.append(float(stream.duration * stream.time_base))
    if tag := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, tag.groups())
        lengths.append(3600 * hours + 60 * minutes + seconds)
    if container.duration and len(container.streams) == 1:
        lengths.append(container.duration / av.time_base)
    return min(lengths, default=0.0)


def _has_gif_trailer(path: Path) -> bool:
    # A GIF states no length: its last byte is the only sign that it is complete.
    with path.open("rb") as file:
        file.seek(-min(64, path.stat().st_size), os.SEEK_END)
        return file.read().rstrip(b"\0\r\n").endswith(b";")
