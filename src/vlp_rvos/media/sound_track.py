"""The sound of a video, encoded again beside pictures that are written, in step with them.

Only what belongs to the pictures written so far is decoded, so memory does not grow with the length of the video.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream

from vlp_rvos.media.video_file import VideoFile

__all__ = ["SoundTrack"]

#: Opus takes this rate, and every other codec too.
RATE = 48000
#: Codecs without frames of a fixed size get this many samples at a time.
FRAME_SAMPLES = 1024


class SoundTrack:
    """Adds the first sound of a video file to a container, from the time of the first picture on.

    Sound that cannot be decoded is left out from there on. Mono stays mono, all else becomes stereo.

    Args:
        source: The video file.
        start: Time of the first picture, in seconds from the start of the video.
    """

    def __init__(self, source: VideoFile, start: float) -> None:
        self._path, self._zero = source.path, source.first_stamp + start
        self._stream: AudioStream | None = None
        self._samples: Generator[np.ndarray, None, None] | None = None
        self._written = 0
        self._rest: np.ndarray | None = None
        self._layout = "stereo"

    @staticmethod
    def is_in(path: Path) -> bool:
        """Whether a file has sound."""
        with suppress(av.FFmpegError, OSError), av.open(str(path.absolute()), metadata_errors="replace") as container:
            return any(stream.codec_context is not None for stream in container.streams.audio)
        return False

    def add_to(self, container: av.container.OutputContainer, codec: str) -> None:
        """Add a stream for the sound to a container, before the first packet is written into it."""
        with av.open(str(self._path.absolute()), metadata_errors="replace") as probe:
            is_mono = probe.streams.audio[0].codec_context.channels == 1
        self._layout = "mono" if is_mono else "stereo"
        stream = container.add_stream(codec, rate=RATE, layout=self._layout)
        assert isinstance(stream, AudioStream)
        if codec in ("aac", "libopus", "libvorbis"):
            stream.bit_rate = 96000 if is_mono else 192000
        self._stream, self._samples = stream, self._decoded()

    def write_until(self, container: av.container.OutputContainer, end: float) -> None:
        """Encode the sound up to a time, in seconds from the first picture."""
        assert self._stream is not None
        wanted = round(end * RATE)
        # Codecs state the size of their frames once they are open.
        size = self._stream.codec_context.frame_size or FRAME_SAMPLES
        while self._written < wanted:
            block = self._take(min(size, wanted - self._written) if end < np.inf else size)
            if block is None:
                return
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = RATE, self._written, Fraction(1, RATE)
            self._written += block.shape[1]
            for converted in self._converted(frame):
                container.mux(self._stream.encode(converted))

    def close(self, container: av.container.OutputContainer) -> None:
        """Write what the codec still holds."""
        if self._stream is not None:
            container.mux(self._stream.encode(None))
        self.discard()

    def discard(self) -> None:
        """Close the source."""
        if self._samples is not None:
            self._samples.close()
            self._samples = None

    def _converted(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        assert self._stream is not None
        context = self._stream.codec_context
        if context.format.name == "fltp":
            return [frame]
        resampler = av.AudioResampler(format=context.format, layout=self._layout, rate=RATE)
        converted = resampler.resample(frame)
        for one in converted:
            one.pts, one.time_base = frame.pts, frame.time_base
        return converted

    def _take(self, count: int) -> np.ndarray | None:
        """The next samples (channels, count); fewer at the end, None after it."""
        if self._samples is None:
            return None
        pieces = [] if self._rest is None else [self._rest]
        have = sum(piece.shape[1] for piece in pieces)
        while have < count:
            piece = next(self._samples, None)
            if piece is None:
                break
            pieces.append(piece)
            have += piece.shape[1]
        if not have:
            return None
        samples = np.concatenate(pieces, axis=1)
        self._rest = samples[:, count:] if samples.shape[1] > count else None
        return samples[:, :count]

    def _decoded(self) -> Generator[np.ndarray, None, None]:
        """Samples (channels, n) float32 in 48 kHz from the first picture on; gaps are silent."""
        position = 0
        channels = 1 if self._layout == "mono" else 2
        resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=RATE)
        container = av.open(str(self._path.absolute()), metadata_errors="replace")
        with closing(container), suppress(av.FFmpegError):
            stream = container.streams.audio[0]
            if self._zero > 1 and stream.time_base:
                with suppress(av.FFmpegError):
                    container.seek(int((self._zero - 1) / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                for piece in resampler.resample(frame):
                    samples = piece.to_ndarray()
                    if piece.pts is None or piece.time_base is None:
                        begin = position
                    else:
                        begin = round((float(piece.pts * piece.time_base) - self._zero) * RATE)
                    if begin + samples.shape[1] <= 0:
                        continue
                    if begin < 0:
                        samples, begin = samples[:, -begin:], 0
                    # Stamps are rounded: only real gaps are filled.
                    gap = begin - position
                    while gap > RATE // 20:
                        silent = min(gap, RATE)
                        yield np.zeros((channels, silent), np.float32)
                        position, gap = position + silent, gap - silent
                    position += samples.shape[1]
                    yield samples
