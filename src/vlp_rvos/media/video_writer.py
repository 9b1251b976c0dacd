"""Write an H.264 video in which every frame keeps its own time."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from vlp_rvos.arrays import Image
from vlp_rvos.media.video_source import DEFAULT_FPS
from vlp_rvos.utils.atomic import AtomicWriter
from vlp_rvos.utils.output_set import OutputSet

__all__ = ["MARK", "VideoWriter"]

#: The comment in the header of every video that is written, by which a later run knows it.
MARK = "written by vlp-rvos"

# Fine enough for every usual frame rate to be exact (29.97 is 2002 ticks), and below MPEG-4's limit of 65535.
WRITER_TIME_BASE = Fraction(1, 60000)


class VideoWriter(AtomicWriter):
    """Writes an H.264 mp4, or an MPEG-4 one where FFmpeg was built without x264.

    The file takes its name when it is complete. Every frame keeps its own time, so a variable frame rate stays
    variable; the first frame is at 0. The format needs even sizes: an odd side is padded by one repeated row or column.

    Args:
        path: The file to write. An existing file is replaced at the end.
        fps: Average frame rate, which gives the last frame its duration.
        pixel_aspect: Width of a pixel divided by its height, as it is shown.

    Attributes:
        padded: Whether the frames had an odd side.

    Example:
        >>> with VideoWriter("out.mp4", fps=25) as writer:                         # doctest: +SKIP
        ...     writer.write(image, time=0.0)
    """

    def __init__(self, path: str | Path, fps: float = DEFAULT_FPS, pixel_aspect: Fraction = Fraction(1)) -> None:
        self.path = Path(path)
        self.fps, self.pixel_aspect = fps, pixel_aspect
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
            image: (H, W, 3) uint8 RGB. All frames must have one size.
            time: Time of the frame in seconds. A time that does not grow is moved to just behind the previous frame.

        Raises:
            ValueError: The frame has another size than the first one.
        """
        if self._stream is None:
            self._open(image.shape, time)
        if image.shape != self._shape:
            raise ValueError(f"frame of shape {image.shape} in a video of {self._shape}")
        if self.padded:
            image = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        self._encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"), time)

    def write_yuv(self, frame: av.VideoFrame, time: float, like: av.VideoFrame) -> None:
        """Append a frame whose colours need no conversion.

        Args:
            frame: A yuv420p frame in limited range, with even sides.
            time: Time of the frame in seconds; see `write`.
            like: A decoded frame of the same colour space. The file takes the colour space over from the first frame.

        Raises:
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

    def _open(self, shape: tuple[int, ...], time: float, like: av.VideoFrame | None = None) -> None:
        height, width = shape[:2]
        self._shape, self._first_time, self.padded = shape, time, bool(height % 2 or width % 2)
        self._container = av.open(str(self._part.absolute()), "w", format="mp4", options={"movflags": "faststart"})
        self._container.metadata["comment"] = MARK
        rate = max(Fraction(self.fps).limit_denominator(1001), Fraction(1, 1001))
        # B-frames are off: with them the container counts its length by decode times, which cuts variable rates short.
        # All frames have one quantizer: to find one for each frame, x264 would look at it once more.
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
        context.sample_aspect_ratio = self.pixel_aspect
        # Code 1 is BT.709 in all three; range 1 is the limited one.
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        if like is not None:
            context.colorspace, context.color_primaries = like.colorspace, like.color_primaries
            context.color_trc = like.color_trc
        self._stream = stream

    def close(self) -> None:
        """Finish the file and give it its name. Without frames nothing is written."""
        if self._stream is None or self._container is None:
            self._output.discard()
            return
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._container = self._stream = None
        self._output.close()

    def discard(self) -> None:
        """Remove what was written."""
        if self._container is not None:
            with suppress(av.FFmpegError):
                self._container.close()
            self._container = self._stream = None
        self._output.discard()
