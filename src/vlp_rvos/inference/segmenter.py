"""Words and points to masks: run a model on a whole video or on a live source, clip by clip.

Each clip hands on a history of a few tokens and, if the model's config says so, the masks of a few frames: memory does
not grow with the length of the video.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch

from vlp_rvos._version import __version__
from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError
from vlp_rvos.inference.backward import EarlierMasks
from vlp_rvos.inference.loading import load_runtime
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.pipeline import pipelined_predictions
from vlp_rvos.inference.pointing import DrawnMask, Point, Pointing
from vlp_rvos.inference.stream import Stream, StreamPrediction
from vlp_rvos.media.frame_arrays import ArraySource
from vlp_rvos.media.prefetch import prefetch
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import DEFAULT_FPS, VideoFrame, VideoSource
from vlp_rvos.models import checkpoint
from vlp_rvos.models.hub import upload_folder
from vlp_rvos.models.saved_card import CARD, is_card, model_card
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.results import FrameResult
from vlp_rvos.runtimes.artifact import is_exported
from vlp_rvos.runtimes.runtime import Runtime
from vlp_rvos.runtimes.threads import release_threads
from vlp_rvos.runtimes.torch_runtime import TorchRuntime
from vlp_rvos.utils.atomic import write_text
from vlp_rvos.utils.output_files import prepare_output

__all__ = ["Segmenter", "mask_size"]

#: Key of the header's training record that tells a saved model from one that a training wrote.
SAVED_NAME = "saved_as"


class Segmenter:
    """Finds in videos what expressions describe and what is pointed at, with one model.

    Args:
        model: a model, which PyTorch runs on the device that holds its parameters, or a runtime with a model.
        name: name of the model, which the outputs state.
        version: version of the model, which the outputs state.
        options: how to run the model. `device`, `precision`, `runtime` and `overrides` have an effect only when a model
            is loaded, see `from_pretrained`.
        changes: single fields of `InferenceOptions` that replace those of `options`, for example `threshold=0.4`.

    Attributes:
        config: the model's config, with the options applied.

    Raises:
        UserError: a value is out of its range.

    Example:
        >>> segmenter = Segmenter.from_pretrained("mini")
        >>> for frame in segmenter.segment("dog.mp4", "the dog that jumps"):
        ...     mask, score, presence, time = frame.mask, frame.score, frame.presence, frame.time
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
        self._source: str | Path | None = None

    @classmethod
    def from_pretrained(
        cls, model: str | Path = "mini", options: InferenceOptions | None = None, **changes: Any
    ) -> Self:
        """Load a shipped model, a checkpoint or an exported model.

        Args:
            model: name of a shipped model, path of a `.safetensors` checkpoint, a folder that `vlp-rvos export`,
                `vlp-rvos train` or `save_pretrained` wrote, or `owner/name` or `owner/name@revision` on the Hugging
                Face hub. A file or folder of that name comes first.
            options: how to run the model.
            changes: single fields of `InferenceOptions` that replace those of `options`, for example `device="cpu"`.

        Raises:
            UserError: the model is unknown, its weights do not fit, the device or runtime is not available, or a value
                is out of its range.
        """
        # The options are checked before the model is loaded, which takes much longer.
        options = replace(options or InferenceOptions(), **changes)
        path = Path(model)
        name = path.stem if path.is_file() else path.name if path.exists() else str(model)
        segmenter = cls(load_runtime(model, options), name, options=options)
        segmenter._source = model
        return segmenter

    def save_pretrained(self, folder: str | Path) -> None:
        """Save the model into a folder, for `from_pretrained` and for `--model` of the command line.

        The folder gets `model.safetensors`: the trained parameters in full precision, and the settings that belong to a
        model, as they are now (`size`, `min_part`, `memory_frames`, `presence_threshold`, `overrides`). The other
        options (`threshold`, `device`, `precision`, `runtime`) belong to a run and are given anew. `README.md`, the
        model card, says what the model is and how to use it; one that others wrote or changed stays as it is.

        Args:
            folder: the folder, which is made if there is none. A model that was saved there before is replaced.

        Raises:
            UserError: the model is an exported one, or the folder holds another file of that name or cannot be written.
        """
        self._save(Path(folder), Path(folder).resolve().name)

    def push_to_hub(
        self, repository: str, *, private: bool = False, message: str = "Upload a model of vlp-rvos"
    ) -> str:
        """Upload the model to the Hugging Face hub, with the files that `save_pretrained` writes.

        Args:
            repository: `owner/name`, or `owner/name@branch`. It is made if there is none. Log in with `hf auth login`
                before, or set HF_TOKEN.
            private: whether a new repository is private.
            message: what the commit says.

        Returns:
            The address of the commit.

        Raises:
            UserError: `huggingface_hub` is not installed, the model is an exported one or stands on a backbone of this
                machine alone, or the hub refuses.
        """
        if self._source is not None and not is_exported(self._source):
            info = checkpoint.peek(self._source)
            if checkpoint.names_local_backbone(info):
                raise UserError(f"{self.name}: its backbone is {info.backbone_weights}, which others do not have")
        with tempfile.TemporaryDirectory() as folder:
            self._save(Path(folder), repository)
            return upload_folder(Path(folder), repository, private=private, message=message)

    def _save(self, folder: Path, address: str) -> None:
        """Write the model and its card, which tells readers to load the model from an address."""
        path = folder / checkpoint.MODEL_FILE
        prepare_output(path, is_ours=_was_saved)
        model = self._trained_model()
        info = None if self._source is None else checkpoint.peek(self._source)
        shipped = None if info is None else checkpoint.shipped_card(info)
        own, current = model.config.to_dict(), self.config.to_dict()
        checkpoint.save_trained(
            path,
            model,
            {SAVED_NAME: self.name} | (info.training if info else {}),
            inference_overrides={name: value for name, value in current.items() if value != own[name]},
            backbone_weights=info.backbone_weights if info else None,
        )
        card = folder / CARD
        if not card.exists() or is_card(card):
            write_text(card, model_card(self.name, address, model.backbone.name, self.config, info, shipped))

    def _trained_model(self) -> VLPRVOS:
        """The model as it was trained, which exports and int8 models are not any more."""
        if isinstance(self.runtime, TorchRuntime) and self.runtime.precision != "int8":
            return self.runtime.model
        if self._source is None or is_exported(self._source):
            raise UserError(f"{self.name}: cannot be saved, since only its export is there; load its checkpoint")
        return checkpoint.load_model(self._source, self.options.overrides)

    def segment(
        self,
        video: str | Path | VideoSource | Iterable[Image],
        expressions: str | Sequence[str] = (),
        every: int = 1,
        start: float | None = None,
        end: float | None = None,
        *,
        images: bool = True,
        ahead: int = 0,
        points: Iterable[Point] = (),
        masks: Iterable[DrawnMask] = (),
    ) -> Generator[FrameResult, None, None]:
        """Segment a video, frame by frame.

        Things can be pointed at instead of, or besides, being described. A pointed thing is followed in both directions
        from the first frame in which it is pointed at: that part of the video is read backwards first. An iterator of
        images can be read only once, so there things are followed forwards only.

        A thread of its own reads a video file or a folder, at most one clip ahead of the model. Images and other
        sources are read by the thread that runs the model, and never ahead of it.

        Args:
            video: a video file, a folder of frames, an opened source, or (H, W, 3) uint8 RGB images, taken as 24 frames
                a second.
            expressions: the expressions to find; each gets a mask of its own. None are needed where something is
                pointed at.
            every: N to take every Nth frame only.
            start: time in seconds of the first frame to take; None for the start of the video.
            end: time in seconds before which the last frame is taken; None for the end of the video.
            images: False to leave the frames at their full size out of the results. A video file is then decoded
                straight to the network's size, which is faster and rounds colours slightly differently.
            ahead: number of predicted clips that may wait while the caller works on the results of an earlier one. A
                thread, which ends with the iterator, computes them and one more. With 0 nothing is computed ahead, and
                in no other thread.
            points: points on things, see `Point`; `FrameResult` has the names of these things after the expressions.
            masks: drawn masks of things, see `DrawnMask`.

        Returns:
            A lazy iterator over the results. If the video breaks off, the results up to there come first, and then a
            `VLPRVOSWarning`.

        Raises:
            UserError: the video cannot be read, an expression is empty, something outside of the video is pointed at,
                or the model cannot follow what is pointed at.
            ValueError: `every`, `start` or `end` for an opened source, which has its own.
        """
        if isinstance(video, VideoSource):
            if (every, start, end) != (1, None, None):
                raise ValueError("the source is open already: pass every, start and end to open_video")
            source = video
        elif isinstance(video, str | Path):
            source = open_video(video, every=every, start=start, end=end)
        else:
            source = ArraySource(video, every=every, start=start, end=end)
        stream = self.start(expressions, points=points, masks=masks)
        if source.info.width:
            stream.pointing.check((source.info.height, source.info.width), source.start, source.end)
        return self._segment(source, stream, images, ahead)

    def start(
        self,
        expressions: str | Sequence[str] = (),
        fps: float = DEFAULT_FPS,
        *,
        points: Iterable[Point] = (),
        masks: Iterable[DrawnMask] = (),
    ) -> Stream:
        """Start to segment a live source.

        Args:
            expressions: the expressions to find; each gets a mask of its own.
            fps: frame rate of the source, which gives the results their times.
            points: points on things, which are followed from there on; see `Point`.
            masks: drawn masks of things, see `DrawnMask`.

        Returns:
            A running segmentation, whose `step` takes the frames as they come.

        Raises:
            UserError: an expression is empty, there is neither an expression nor something that is pointed at, or the
                model cannot follow what is pointed at.
        """
        return Stream(self.runtime, self.config, self.options, expressions, fps, Pointing.of(points, masks))

    def _segment(
        self, source: VideoSource, stream: Stream, images: bool, ahead: int
    ) -> Generator[FrameResult, None, None]:
        if ahead:
            # Loading the model and encoding the expressions have left idle threads behind.
            release_threads()
        with EarlierMasks(source, stream.pointing) as earlier:
            # The caller's thread makes the masks, frame by frame, while the model's thread goes on.
            predicted = self._predictions(source, stream, images, ahead > 0, earlier)
            number, time = 0, 0.0
            with closing(prefetch(predicted, ahead)) as predictions:
                for prediction in predictions:
                    for result in stream.results(prediction):
                        yield earlier.joined(number, result)
                        number, time = number + 1, result.time
        stream.pointing.check_length(time)

    def _predictions(
        self, source: VideoSource, stream: Stream, images: bool, ahead: bool, earlier: EarlierMasks
    ) -> Generator[StreamPrediction, None, None]:
        size = mask_size(source, images)
        read_size = self._read_size(size)
        if earlier:
            earlier.find(self._backward_stream, self.config.clip_length, size, read_size)
        with closing(source.read(read_size)) as frames:
            yield from self._predict_frames(frames, stream, size, ahead)

    def read(self, source: VideoSource, *, images: bool = True, skip: int = 0) -> Generator[VideoFrame, None, None]:
        """Read the frames of a video for `segment_frames`.

        Args:
            source: the video.
            images: as for `segment`.
            skip: number of selected frames at the beginning that are left out.
        """
        return source.read(self._read_size(mask_size(source, images)), skip)

    def _read_size(self, size: Size | None) -> Size | None:
        """Size (h, w) of the frames to read for masks of a size; None for that of the video."""
        # Frames are decoded ahead of the model, so at the largest size that it may ask for.
        return size and self.largest_network_size(*size)

    def segment_frames(
        self, frames: Iterator[VideoFrame], stream: Stream, size: Size | None = None, *, ahead: int = 0
    ) -> Generator[FrameResult, None, None]:
        """Segment the next frames of a running segmentation, until they end.

        If all calls for a video but the last one get multiples of the model's clip length, the results are those of
        one call with all frames.

        Args:
            frames: the frames.
            stream: the running segmentation. Things that are pointed at are followed forward
                only. Its `state` is that after the frames when the results have ended.
            size: (H, W) of the masks, if it differs from that of the images.
            ahead: as for `segment`.
        """
        # The caller's thread makes the masks, frame by frame, while the model's thread goes on.
        with closing(prefetch(self._predict_frames(frames, stream, size, ahead > 0), ahead)) as predictions:
            for prediction in predictions:
                yield from stream.results(prediction)

    def _predict_frames(
        self, frames: Iterator[VideoFrame], stream: Stream, size: Size | None, ahead: bool
    ) -> Generator[StreamPrediction, None, None]:
        clips = iter(lambda: list(itertools.islice(frames, self.config.clip_length)), [])
        if ahead and (workers := self._embedding_workers(len(stream.expressions))):
            yield from pipelined_predictions(clips, stream, size, workers)
        else:
            for clip in clips:
                yield stream.predict(clip, size)

    def _backward_stream(self, pointing: Pointing) -> Stream:
        return Stream(self.runtime, self.config, self.options, pointing=pointing, backward=True)

    def _embedding_workers(self, expressions: int) -> int:
        """Number of PyTorch's threads to embed frames with; the rest of the model keeps at least one."""
        threads = torch.get_num_threads()
        rest = threads * expressions / (expressions + self.runtime.embedding_cost)
        return threads - math.ceil(rest)

    def largest_network_size(self, height: int, width: int) -> Size:
        """The largest (h, w) input size that the network may ask for; frames that are decoded ahead have this size."""
        largest = max(self.config.input_size, self.config.small_size)
        return self.config.frame_size(height, width, self.runtime.size_multiple, largest)


def mask_size(source: VideoSource, images: bool) -> Size | None:
    """(H, W) of the masks, if the images come at another size.

    Args:
        source: the video.
        images: as for `Segmenter.segment`.
    """
    return None if images or not source.can_resize else (source.info.height, source.info.width)


def _was_saved(path: Path) -> bool:
    """Whether `save_pretrained` wrote a file; a trained model is not replaced."""
    try:
        return SAVED_NAME in checkpoint.peek(path).training
    except UserError:
        return False
