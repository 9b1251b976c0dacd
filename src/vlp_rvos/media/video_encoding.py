"""How videos are encoded: container, codecs and pixels of each kind of file that is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np

from vlp_rvos.arrays import Image
from vlp_rvos.media.yuv import DEEP_ALPHA, deep_alpha_frame

__all__ = ["H264_MP4", "PRORES_4444_MOV", "VP9_ALPHA_WEBM", "Codec", "VideoEncoding"]

# Fine enough for every usual frame rate to be exact (29.97 is 2002 ticks), and below MPEG-4's limit of 65535.
WRITER_TIME_BASE = Fraction(1, 60000)
#: Code 1 is BT.709 in all three; range 1 is the limited one.
BT_709 = 1


@dataclass(frozen=True)
class Codec:
    """A codec of FFmpeg, by its name there, and its options."""

    name: str
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VideoEncoding:
    """One kind of video file.

    Attributes:
        suffix: Suffix of the files, with its dot.
        container: Name of the container in FFmpeg.
        codecs: Codecs of the pictures; the first that FFmpeg was built with is used.
        pixel_format: Name of the pixel format in FFmpeg. Images have an alpha channel where it has one.
        sound_codecs: Codecs of the sound; the first that FFmpeg was built with is used.
        even_sides: Whether an odd side is padded by one repeated row or column.
        container_options: Options of the container.
        metadata: Metadata of the video stream.
    """

    suffix: str
    container: str
    codecs: tuple[Codec, ...]
    pixel_format: str
    sound_codecs: tuple[str, ...]
    even_sides: bool = False
    container_options: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def has_alpha(self) -> bool:
        """Whether the pixels have an alpha channel."""
        return self.pixel_format.startswith("yuva")

    @property
    def codec(self) -> Codec:
        """The codec of the pictures; the last one where FFmpeg was built with none of them."""
        return next((codec for codec in self.codecs if codec.name in av.codecs_available), self.codecs[-1])

    @property
    def sound_codec(self) -> str | None:
        """Name of the codec of the sound; None where FFmpeg was built with none of them."""
        return next((name for name in self.sound_codecs if name in av.codecs_available), None)

    def to_frame(self, image: Image) -> av.VideoFrame:
        """An image (H, W, 3) uint8 RGB, or (H, W, 4) RGBA, as a frame to encode, BT.709 in limited range."""
        if self.pixel_format == DEEP_ALPHA:
            return deep_alpha_frame(image)
        frame = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(image), format="rgba" if image.shape[2] == 4 else "rgb24"
        )
        return frame.reformat(format=self.pixel_format, dst_colorspace="ITU709", dst_color_range="MPEG")

    def add_stream(self, container: av.container.OutputContainer, rate: Fraction) -> Any:
        """Add a stream for the pictures to a container."""
        stream = container.add_stream(self.codec.name, rate=rate, options=dict(self.codec.options))
        stream.metadata.update(self.metadata)
        return stream


# B-frames are off: with them the container counts its length by decode times, which cuts variable rates short.
# All frames have one quantizer: to find one for each frame, x264 would look at it once more.
H264_MP4 = VideoEncoding(
    suffix=".mp4",
    container="mp4",
    codecs=(
        Codec("libx264", {"preset": "ultrafast", "qp": "23", "bf": "0"}),
        Codec("mpeg4", {"flags": "+qscale", "global_quality": "354", "bf": "0"}),
    ),
    pixel_format="yuv420p",
    sound_codecs=("aac",),
    even_sides=True,
    container_options={"movflags": "faststart"},
)
"""H.264, or MPEG-4 where FFmpeg was built without x264."""

PRORES_4444_MOV = VideoEncoding(
    suffix=".mov",
    container="mov",
    codecs=(Codec("prores_ks", {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}),),
    pixel_format=DEEP_ALPHA,
    sound_codecs=("pcm_s16le",),
)
"""Apple ProRes 4444 with an alpha channel, for editors."""

VP9_ALPHA_WEBM = VideoEncoding(
    suffix=".webm",
    container="webm",
    codecs=(
        Codec(
            "libvpx-vp9",
            {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "auto-alt-ref": "0", "row-mt": "1"},
        ),
    ),
    pixel_format="yuva420p",
    sound_codecs=("libopus", "libvorbis"),
    metadata={"alpha_mode": "1"},
)
"""VP9 with an alpha channel, for browsers."""
