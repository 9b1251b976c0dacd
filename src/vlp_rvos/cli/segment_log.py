"""What `vlp-rvos segment --verbose` says while it works."""

from __future__ import annotations

import platform
import time
from typing import TYPE_CHECKING

import av

from vlp_rvos._version import __version__
from vlp_rvos.media.video_source import VideoInfo
from vlp_rvos.results import FrameResult
from vlp_rvos.utils.progress import detail

if TYPE_CHECKING:
    from vlp_rvos.inference.segmenter import Segmenter

__all__ = ["RunLogger"]


class RunLogger:
    """Says what a run works with, how long each stage took, and when each clip was done."""

    def __init__(self) -> None:
        self._stage = self._clip = time.perf_counter()
        self._frames: list[int] = []
        self._clips = 0
        self._clip_length = 1

    def opened(self, video: VideoInfo) -> None:
        """The video is open."""
        frames = "an unknown number of" if video.frames is None else f"about {video.frames}"
        detail(f"{video.name}: {frames} frames of {video.width}x{video.height}, {video.fps:.4g} frames/s")

    def loaded(self, segmenter: Segmenter) -> None:
        """The model is loaded."""
        import torch

        versions = f"Python {platform.python_version()}, PyTorch {torch.__version__}, PyAV {av.__version__}"
        detail(f"vlp-rvos {__version__}, {versions}")
        runtime, options = segmenter.runtime, segmenter.options
        used = getattr(runtime, "dtype", None) or options.precision
        detail(
            f"model {segmenter.name} {segmenter.version}, {type(runtime).__name__}, device {runtime.device}, "
            f"number format {str(used).removeprefix('torch.')}, {torch.get_num_threads()} threads"
        )
        self._clip_length = segmenter.config.clip_length
        self.done("loading")

    def frame(self, result: FrameResult) -> None:
        """A frame is written."""
        self._frames.append(result.index)
        if len(self._frames) == self._clip_length:
            self._end_clip()

    def finished(self) -> None:
        """All frames are written."""
        if self._frames:
            self._end_clip()
        self.done("segmenting")

    def done(self, stage: str) -> None:
        """A stage has ended, and the next one begins."""
        now = time.perf_counter()
        detail(f"{stage} took {now - self._stage:.2f} s")
        self._stage = self._clip = now

    def _end_clip(self) -> None:
        now, self._clips = time.perf_counter(), self._clips + 1
        first, last = self._frames[0], self._frames[-1]
        detail(f"clip {self._clips}, frames {first} to {last}: {now - self._clip:.2f} s")
        self._clip, self._frames = now, []
