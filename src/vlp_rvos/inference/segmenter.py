"""Words to masks: apply a model to a whole video or to a live source, clip by clip.

Shapes: E expressions, T frames of a clip, (H, W) the video's own size in pixels, (h, w) the network input size.
One clip hands to the next its history of T tokens and, where the model's config says so, the masks of a few frames, so
memory does not grow with the video.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch

from vlp_rvos._version import __version__
from vlp_rvos.arrays import Image, Size
from vlp_rvos.inference.loading import load_runtime
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.pipeline import pipelined_predictions
from vlp_rvos.inference.stream import Stream, StreamPrediction
from vlp_rvos.media.frame_arrays import ArraySource
from vlp_rvos.media.prefetch import prefetch
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import DEFAULT_FPS, VideoSource
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.results import FrameResult
from vlp_rvos.runtimes.runtime import Runtime
from vlp_rvos.runtimes.threads import release_threads
from vlp_rvos.runtimes.torch_runtime import TorchRuntime

__all__ = ["Segmenter"]


class Segmenter:
    """A model with all that is needed to run it on real video.

    Args:
        model: a model, which PyTorch runs on the device that its parameters are on, or any other runtime.
        name: name of the model, for the outputs.
        version: version of the model, for the outputs.
        options: how to run the model. `device`, `precision`, `runtime` and `overrides` count only where a model is
            loaded (`from_pretrained`).
        changes: single fields of `InferenceOptions`, in place of those of `options`, for example `threshold=0.4`.

    Raises:
        UserError: a value out of its range.

    Example:
        >>> segmenter = Segmenter.from_pretrained("mini")
        >>> for frame in segmenter.segment("dog.mp4", "the dog that jumps"):
        ...     frame.mask, frame.score, frame.presence, frame.time
    """

    def __init__(
        self,
        model: VLPRVOS | Runtime,
        name: str = "custom",
        version: str = __version__,
        options: InferenceOptions | None = None,
        **changes: Any,
    ) -> None:
        self.options = replace(options or InferenceOptions(), **changes)
        self.runtime = model if isinstance(model, Runtime) else TorchRuntime(model)
        self.config = self.options.applied_to(self.runtime.config)
        self.name, self.version = name, version

    @classmethod
    def from_pretrained(
        cls, model: str | Path = "mini", options: InferenceOptions | None = None, **changes: Any
    ) -> Self:
        """Load a model that comes with the package, a checkpoint, or an exported model.

        Args:
            model: name of a shipped model, path of a `.safetensors` checkpoint, or a folder of `vlp-rvos export`.
            options: how to run the model.
            changes: single fields of `InferenceOptions`, in place of those of `options`, for example `device="cpu"`.

        Raises:
            UserError: unknown model, weights that do not fit, a device or runtime that is not available, a value out
                of its range.
        """
        # A mistake in the options is found before the model is loaded, which takes longer.
        options = replace(options or InferenceOptions(), **changes)
        name = Path(model).stem if Path(model).exists() else str(model)
        return cls(load_runtime(model, options), name, options=options)

    def segment(
        self,
        video: str | Path | VideoSource | Iterable[Image],
        expressions: str | Sequence[str],
        every: int = 1,
        start: float | None = None,
        end: float | None = None,
        *,
        images: bool = True,
        ahead: int = 0,
    ) -> Generator[FrameResult, None, None]:
        """Segment a video, frame by frame.

        A thread reads a video file or a folder at most one clip ahead of the model; other sources are read where the
        model runs, and never ahead of it.

        Args:
            video: a video file, a folder of frames, an opened source, or images (H, W, 3) uint8 RGB at 24 fps.
            expressions: what to find; several give several masks.
            every: take every Nth frame.
            start, end: seconds; frames with start <= time < end are taken.
            images: False leaves the whole frames of a video file out of the results: it is decoded straight to what
                the network sees, which is faster, and rounds colours a little differently.
            ahead: clips that may wait while the caller is busy with the results of an earlier one; another one is in
                the making, in a thread that ends with the iterator. 0 computes nothing ahead, and needs no thread.

        Returns:
            A lazy iterator. Where the video breaks off, the results up to there come first and then a
            `VLPRVOSWarning`.

        Raises:
            UserError: the video cannot be read, or an expression is empty.
            ValueError: a selection for a source that has its own.
        """
        if isinstance(video, VideoSource):
            if (every, start, end) != (1, None, None):
                raise ValueError("this source is opened already: give every, start and end to open_video")
            source = video
        elif isinstance(video, str | Path):
            source = open_video(video, every=every, start=start, end=end)
        else:
            source = ArraySource(video, every=every, start=start, end=end)
        return self._segment(source, self.start(expressions), images, ahead)

    def start(self, expressions: str | Sequence[str], fps: float = DEFAULT_FPS) -> Stream:
        """Begin a live source.

        Args:
            expressions: what to find.
            fps: frame rate of the source; it gives the results their times.

        Raises:
            UserError: an expression is empty, or there is none.
        """
        return Stream(self.runtime, self.config, self.options, expressions, fps)

    def _segment(
        self, source: VideoSource, stream: Stream, images: bool, ahead: int
    ) -> Generator[FrameResult, None, None]:
        if ahead:
            # Encoding the expressions and loading the model have left idle threads behind.
            release_threads()
        # Masks are made in this thread, one frame at a time, while the model's thread goes on.
        with closing(prefetch(self._predictions(source, stream, images, ahead > 0), ahead)) as predictions:
            for prediction in predictions:
                yield from stream.results(prediction)

    def _predictions(
        self, source: VideoSource, stream: Stream, images: bool, ahead: bool
    ) -> Generator[StreamPrediction, None, None]:
        shown = None if images or not source.can_resize else (source.info.height, source.info.width)
        # Decoded ahead of the model, so at the largest size that it can ask for.
        largest = max(self.config.input_size, self.config.small_size)
        with closing(source.read(shown and self._network_size(*shown, largest))) as frames:
            clips = iter(lambda: list(itertools.islice(frames, self.config.clip_length)), [])
            if ahead and (workers := self._embedding_workers(len(stream.expressions))):
                yield from pipelined_predictions(clips, stream, shown, workers)
            else:
                for clip in clips:
                    yield stream.predict(clip, shown)

    def _embedding_workers(self, expressions: int) -> int:
        """How many of PyTorch's threads should embed frames ahead; the rest of the model keeps at least one."""
        threads = torch.get_num_threads()
        rest = threads * expressions / (expressions + self.runtime.embedding_cost)
        return threads - math.ceil(rest)

    def _network_size(self, height: int, width: int, side: int) -> Size:
        return self.config.frame_size(height, width, self.runtime.size_multiple, side)
