"""Write a video in which every frame keeps its own time."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from vlp_rvos.arrays import Image
from vlp_rvos.errors import UserError
from vlp_rvos.media.sound_track import SoundTrack
from vlp_rvos.media.video_encoding import BT_709, H264_MP4, WRITER_TIME_BASE, VideoEncoding
from vlp_rvos.media.video_source import DEFAULT_FPS
from vlp_rvos.utils.atomic import AtomicWriter
from vlp_rvos.utils.output_set import OutputSet

__all__ = ["MARK", "VideoWriter"]

#: The comment in the header of every video that is written, by which a later run knows it.
MARK = "written by vlp-rvos"


class VideoWriter(AtomicWriter):
    """Writes a video, by default an H.264 mp4.

    The file takes its name when it is complete. Every frame keeps its own time, so a variable frame rate stays
    variable; the first frame is at 0. H.264 needs even sizes: an odd side is padded by one repeated row or column.

    Args:
        path: The file to write. An existing file is replaced at the end.
        fps: Average frame rate, which gives the last frame its duration.
        pixel_aspect: Width of a pixel divided by its height, as it is shown.
        encoding: Container, codec and pixel format.
        sound: Sound to write beside the frames; None for a silent video.

    Attributes:
        padded: Whether an odd side was padded.

    Example:
        >>> with VideoWriter("out.mp4", fps=25) as writer:                         # doctest: +SKIP
        ...     writer.write(image, time=0.0)
    """

    def __init__(
        self,
        path: str | Path,
        fps: float = DEFAULT_FPS,
        pixel_aspect: Fraction = Fraction(1),
        encoding: VideoEncoding = H264_MP4,
        sound: SoundTrack | None = None,
    ) -> None:
        self.path = Path(path)
        self.fps, self.pixel_aspect = fps, pixel_aspect
        self.encoding, self._sound = encoding, sound
        self.padded = False
        self._output = OutputSet(self.path.parent, {self.path.name: lambda _: None})
        self._part = self._output.part(self.path.name)
        self._container: av.container.OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._shape: tuple[int, ...] = ()
        self._first_time = 0.0
        self._ticks = -1

    def write(self, image: Image, time: float) -> None:
        """Append a frame.

        Args:
            image: (H, W, 3) uint8 RGB, or (H, W, 4) RGBA with straight alpha for an encoding that has alpha. All frames
                must have one size.
            time: Time of the frame in seconds. A time that does not grow is moved to just behind the previous frame.

        Raises:
            UserError: The encoder takes no frames of this size.
            ValueError: The frame has another size than the first one.
        """
        if self._stream is None:
            self._open(image.shape, time)
        if image.shape != self._shape:
            raise ValueError(f"frame of shape {image.shape} in a video of {self._shape}")
        if self.padded:
            image = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
        self._encode(self.encoding.to_frame(image), time)

    def write_yuv(self, frame: av.VideoFrame, time: float, like: av.VideoFrame) -> None:
        """Append a frame whose colours need no conversion.

        Args:
            frame: A yuv420p frame in limited range, with even sides.
            time: Time of the frame in seconds; see `write`.
            like: A decoded frame of the same colour space. The file takes the colour space over from the first frame.

        Raises:
            UserError: The encoder takes no frames of this size.
            ValueError: The frame has another size than the first one, or another format.
        """
        shape = (frame.height, frame.width)
        if self._stream is None:
            self._open(shape, time, like)
        if shape != self._shape[:2] or frame.format.name != "yuv420p":
            raise ValueError(f"frame {shape} {frame.format.name} in a yuv420p video of {self._shape}")
        self._encode(frame, time)

    def _encode(self, frame: av.VideoFrame, time: float) -> None:
        assert self._stream is not None
        assert self._container is not None
        self._ticks = max(round((time - self._first_time) / WRITER_TIME_BASE), self._ticks + 1)
        frame.pts, frame.time_base = self._ticks, WRITER_TIME_BASE
        self._container.mux(self._stream.encode(frame))
        if self._sound is not None:
            self._sound.write_until(self._container, float(self._ticks * WRITER_TIME_BASE))

    def _open(self, shape: tuple[int, ...], time: float, like: av.VideoFrame | None = None) -> None:
        height, width = shape[:2]
        encoding, even = self.encoding, self.encoding.even_sides
        self._shape, self._first_time, self.padded = shape, time, even and bool(height % 2 or width % 2)
        self._container = av.open(
            str(self._part.absolute()), "w", format=encoding.container, options=encoding.container_options
        )
        self._container.metadata["comment"] = MARK
        rate = max(Fraction(self.fps).limit_denominator(1001), Fraction(1, 1001))
        stream = encoding.add_stream(self._container, rate)
        assert isinstance(stream, VideoStream)
        if even:
            width, height = width + width % 2, height + height % 2
        stream.width, stream.height, stream.pix_fmt = width, height, encoding.pixel_format
        context = stream.codec_context
        context.time_base = WRITER_TIME_BASE
        context.sample_aspect_ratio = self.pixel_aspect
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = BT_709
        if like is not None:
            context.colorspace, context.color_primaries = like.colorspace, like.color_primaries
            context.color_trc = like.color_trc
        self._stream = stream
        if self._sound is not None and encoding.sound_codec is not None:
            self._sound.add_to(self._container, encoding.sound_codec)
        else:
            self._sound = None
        try:
            self._container.start_encoding()
        except (av.ExternalError, av.ArgumentError) as error:
            raise UserError(
                f"{self.path.name} cannot be written: {encoding.codec.name} takes no frames of {width}x{height}"
            ) from error

    def close(self) -> None:
        """Finish the file and give it its name. Without frames nothing is written."""
        if self._stream is None or self._container is None:
            self._output.discard()
            return
        self._container.mux(self._stream.encode(None))
        if self._sound is not None:
            self._sound.write_until(self._container, float(self._ticks * WRITER_TIME_BASE) + 1 / self.fps)
            self._sound.close(self._container)
        self._container.close()
        self._container = self._stream = None
        self._output.close()

    def discard(self) -> None:
        """Remove what was written."""
        if self._sound is not None:
            self._sound.discard()
        if self._container is not None:
            with suppress(av.FFmpegError):
                self._container.close()
            self._container = self._stream = None
        self._output.discard()
