"""Words to masks: a model applied to a whole video or to a live source, clip by clip.

Shapes: E expressions, T frames of a clip, (H, W) the video's own size in pixels, (h, w) the network input size.
One clip hands to the next its history of T tokens and, where the model's config says so, the masks of a few frames, so
memory does not grow with the video.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import av
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos import __version__
from vlp_rvos.errors import UserError
from vlp_rvos.helpers import Helpers, Job, finish
from vlp_rvos.memory import MaskMemory
from vlp_rvos.model import VLPRVOS
from vlp_rvos.openmp import limit_threads, release_threads
from vlp_rvos.palette import label_map
from vlp_rvos.parts import without_small_parts
from vlp_rvos.runtime import Precision, Runtime, RuntimeName, TorchRuntime, load_runtime
from vlp_rvos.video import DEFAULT_FPS, ArraySource, Image, Size, VideoFrame, VideoSource, open_video, prefetch

__all__ = ["FrameResult", "Segmenter", "Stream"]

Box = tuple[slice, slice]
Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]
#: whose frames helpers look at while the model is at one: no helper should run out of work
CLIPS_LOOKED_AHEAD = 2
#: share of a clip's pixels below which a mask is nothing to look at
_STRAY = 3e-4


@dataclass(frozen=True)
class FrameResult:
    """What the model says about one frame.

    Attributes:
        index: number of the frame (see `VideoFrame.index`).
        time: seconds from the start of the video.
        image: (H, W, 3) uint8 RGB, the frame itself; at the network's size where `segment` was to leave images out.
        masks: (E, H, W) bool, one for each expression.
        scores: (E,) float in [0, 1]: mean foreground probability inside the mask, times presence; 0 where the mask
            is empty [D].
        presences: (E,) float in [0, 1]: probability that the expression's target is in the frame [D].
        expressions: the E expressions.
        name: the frame's file stem, or its index with five digits.
        picture: see `VideoFrame`.
    """

    index: int
    time: float
    image: Image
    masks: npt.NDArray[np.bool_]
    scores: Floats
    presences: Floats
    expressions: tuple[str, ...]
    name: str
    picture: av.VideoFrame | None = None

    @cached_property
    def box(self) -> Box:
        """(rows, columns): the part of the frame that holds all masks; without any pixel in a mask it is empty."""
        rows = np.flatnonzero(self.masks.any(axis=(0, 2)))
        if not rows.size:
            return slice(0, 0), slice(0, 0)
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        columns = np.flatnonzero(self.masks[:, top:bottom].any(axis=(0, 1)))
        return slice(top, bottom), slice(int(columns[0]), int(columns[-1]) + 1)

    @cached_property
    def labels(self) -> npt.NDArray[np.uint8]:
        """(h, w) object ids in `box`: 1 to E, 0 background; where masks overlap the best score is on top."""
        return label_map(self.masks[:, *self.box], self.scores)

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """(H, W) bool, of the first expression."""
        mask: npt.NDArray[np.bool_] = self.masks[0]
        return mask

    @property
    def score(self) -> float:
        """Of the first expression, in [0, 1]."""
        return float(self.scores[0])

    @property
    def presence(self) -> float:
        """Of the first expression, in [0, 1]."""
        return float(self.presences[0])


class Segmenter:
    """A model with all that is needed to run it on real video.

    Args:
        model: a model, which PyTorch runs on the device that its parameters are on, or anything else that runs one.
        name: of the model, for the outputs.
        version: of the model, for the outputs.
        size: network input size in pixels, in place of the model's own `config.input_size` and `config.small_size`.
        min_part: in place of the model's own `config.min_part`: parts of a mask with less than this share of its
            largest part are dropped, 0 keeps all.
        memory_frames: in place of the model's own `config.memory_frames`: frames whose masks are carried along with the
            video, so that what flickers is outvoted; 0 for none.
        threshold: foreground probability from which a pixel belongs to the mask, in (0, 1).
        presence_threshold: below this presence a frame's mask is empty; 0 switches the gate off.

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
        *,
        size: int | None = None,
        threshold: float = 0.5,
        presence_threshold: float = 0.0,
        min_part: float | None = None,
        memory_frames: int | None = None,
    ) -> None:
        _check_values(size, threshold, presence_threshold)
        self.runtime = model if isinstance(model, Runtime) else TorchRuntime(model)
        changes = {"input_size": size, "small_size": size and 0, "min_part": min_part, "memory_frames": memory_frames}
        self.config = self.runtime.config.replace(**{k: v for k, v in changes.items() if v is not None})
        self.name, self.version = name, version
        self.threshold, self.presence_threshold = threshold, presence_threshold

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = "mini",
        device: str = "auto",
        precision: Precision = "auto",
        size: int | None = None,
        threshold: float = 0.5,
        presence_threshold: float = 0.0,
        overrides: Mapping[str, object] | None = None,
        runtime: RuntimeName = "auto",
        min_part: float | None = None,
        memory_frames: int | None = None,
    ) -> Self:
        """Load a model that comes with the package, a checkpoint, or an exported model.

        Args:
            model: name of a shipped model, path of a `.safetensors` checkpoint, or a folder of `vlp-rvos export`.
            device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps".
            precision: "fp32", or autocast to "bf16" or "fp16"; "auto" is bf16 on GPUs that have it, otherwise fp32.
            size, threshold, presence_threshold, min_part, memory_frames: see the class.
            overrides: `ModelConfig` fields in place of the model's own, for example {"history": False}.
            runtime: "torch", "onnx" or "openvino"; see `vlp_rvos.runtime.load_runtime`.

        Raises:
            UserError: unknown model, weights that do not fit, a device or runtime that is not there, a value out of
                its range.
        """
        # The model comes last: loading takes longer than finding a mistake.
        _check_values(size, threshold, presence_threshold)
        return cls(
            load_runtime(model, runtime, device, precision, overrides),
            Path(model).stem if Path(model).exists() else str(model),
            size=size,
            threshold=threshold,
            presence_threshold=presence_threshold,
            min_part=min_part,
            memory_frames=memory_frames,
        )

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
        return Stream(self, expressions, fps)

    def _segment(
        self, source: VideoSource, stream: Stream, images: bool, ahead: int
    ) -> Generator[FrameResult, None, None]:
        if ahead:
            # Reading the words, or loading, was large enough to leave threads behind.
            release_threads()
        # Masks are made on this side of the thread: beside the model, and only one frame's at a time.
        with closing(prefetch(self._predictions(source, stream, images, ahead > 0), ahead)) as predictions:
            for prediction in predictions:
                yield from stream.results(prediction)

    def _predictions(
        self, source: VideoSource, stream: Stream, images: bool, ahead: bool
    ) -> Generator[_Prediction, None, None]:
        shown = None if images or not source.scales else (source.info.height, source.info.width)
        # Decoded ahead of the model, so at the largest size that it can ask for.
        largest = max(self.config.input_size, self.config.small_size)
        with closing(source.read(shown and self._network_size(*shown, largest))) as frames:
            clips = iter(lambda: list(itertools.islice(frames, self.config.clip_length)), [])
            if ahead and (helpers := self._helpers(len(stream.expressions))):
                yield from _looked_ahead(clips, stream, shown, helpers)
            else:
                for clip in clips:
                    yield stream.predict(clip, shown)

    def _helpers(self, expressions: int) -> int:
        """How many threads should look at frames ahead, of those that the tensor library has; the rest keeps one."""
        threads = torch.get_num_threads()
        rest = threads * expressions / (expressions + self.runtime.embedding_cost)
        return threads - math.ceil(rest)

    def _network_size(self, height: int, width: int, side: int) -> Size:
        return self.config.frame_size(height, width, self.runtime.size_multiple, side)


class Stream:
    """A running segmentation: give it frames as they come.

    Example:
        >>> stream = segmenter.start("the red car")
        >>> results = stream.step(frames)  # frames: (H, W, 3) uint8 RGB arrays
    """

    def __init__(self, segmenter: Segmenter, expressions: str | Sequence[str], fps: float = DEFAULT_FPS) -> None:
        self.segmenter = segmenter
        self.expressions = (expressions,) if isinstance(expressions, str) else tuple(expressions)
        if not self.expressions:
            raise UserError("no expression: say what to find, for example 'the red car'")
        self.fps = fps
        self._text = segmenter.runtime.encode_text(self.expressions)
        self._cut = math.log(segmenter.threshold / (1 - segmenter.threshold))
        self.reset()

    def reset(self) -> None:
        """Forget the frames so far: the next one is the first of a new video."""
        config = self.segmenter.config
        frames = config.memory_frames
        self._state: object = None
        self._memory = MaskMemory(frames, config.memory_weight, config.clip_length) if frames else None
        self._side = config.input_size
        self._next_index = 0

    def step(self, frames: Sequence[Image]) -> list[FrameResult]:
        """Segment the next frames.

        Args:
            frames: any number of (H, W, 3) uint8 RGB images of one size. They are taken as one clip, or as several
                where there are more than the model's clip length; every clip knows what came before it.

        Returns:
            One result for each frame, numbered on from the last call.

        Raises:
            ValueError: an image of another form, or images of different sizes.
        """
        results: list[FrameResult] = []
        for first in range(0, len(frames), self.segmenter.config.clip_length):
            images = frames[first : first + self.segmenter.config.clip_length]
            numbers = itertools.count(self._next_index)
            clip = [VideoFrame(i, i / self.fps, image, f"{i:05d}") for i, image in zip(numbers, images, strict=False)]
            results += self.results(self.predict(clip))
            self._next_index += len(images)
        return results

    def network_size(self, clip: Sequence[VideoFrame], size: Size | None = None) -> Size:
        """(h, w) at which the network looks at the next clip; arguments and errors as in `predict`."""
        shape = clip[0].image.shape
        for image in (frame.image for frame in clip):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.shape != shape:
                raise ValueError(f"frames must be (H, W, 3) uint8 of one size, not {image.shape} {image.dtype}")
        height, width = size or shape[:2]
        return self.segmenter._network_size(height, width, self._side)

    def embed(self, image: Image, network: Size) -> Any:
        """What the model sees in one frame, whatever comes before it, for `predict`; any thread may ask."""
        return self.segmenter.runtime.embed(self._frames([image], network))

    def _frames(self, images: Iterable[Image], network: Size) -> Tensor:
        pixels = torch.stack([_resized(image, network) for image in images])
        return pixels.to(self.segmenter.runtime.device)[None].float() / 255

    @torch.inference_mode()
    def predict(
        self, clip: Sequence[VideoFrame], size: Size | None = None, embedded: Tensor | Sequence[Any] | None = None
    ) -> _Prediction:
        """Run the model on one clip; the state moves on.

        Args:
            clip: the frames.
            size: (H, W) of the masks, where it is not that of the images.
            embedded: what `embed` has made of each frame, at the `network_size` that holds now.

        Raises:
            ValueError: an image of another form, or images of different sizes.
        """
        runtime = self.segmenter.runtime
        if embedded is None:
            embedded = self._frames((frame.image for frame in clip), self.network_size(clip, size))
        prediction = runtime.step(embedded, self._text, self._state)
        self._state = prediction.state
        logits, presence = prediction.mask_logits, prediction.presence_logits
        presences = torch.ones_like(logits[:, :, 0, 0]) if presence is None else presence.sigmoid()
        if self._memory is not None and prediction.matching is not None:
            logits = self._memory.refine(logits, presences, prediction.matching)
        logits = without_small_parts(logits.cpu().flatten(0, 1), self._cut, self.segmenter.config.min_part).view_as(
            logits
        )
        presences = presences.cpu()
        self._side = self._next_side(logits, presences)
        return _Prediction(clip, size or clip[0].image.shape[:2], logits.numpy(), presences.numpy())

    def _next_side(self, logits: Tensor, presences: Tensor) -> int:
        """Input size of the next clip: the smallest thing that was found in this one, (E, T, h, w), decides."""
        config = self.segmenter.config
        if not config.small_size:
            return config.input_size
        # Counted by expression: a mean over bytes takes ten times as long.
        areas = np.array([np.count_nonzero(one) for one in logits.numpy() > self._cut]) / logits[0].numel()
        found = areas[(areas >= _STRAY) & (presences.mean(1).numpy() >= 0.5)]
        # Where it is looked at closely it has to be larger for that to end, so that sizes do not alternate.
        limit = config.small_area * (1.25 if self._side == config.small_size else 1.0)
        return config.small_size if len(found) and found.min() < limit else config.input_size

    def results(self, prediction: _Prediction) -> Iterator[FrameResult]:
        """The results of one clip; the masks are made frame by frame, as they are asked for."""
        for t, frame in enumerate(prediction.clip):
            presences = prediction.presences[:, t]
            masks, scores = self._masks(prediction.logits[:, t], presences, prediction.size)
            yield FrameResult(
                frame.index,
                frame.time,
                frame.image,
                masks,
                scores,
                presences,
                self.expressions,
                frame.name,
                frame.picture,
            )

    def _masks(self, logits: Floats, presences: Floats, size: Size) -> tuple[npt.NDArray[np.bool_], Floats]:
        """One frame: logits (E, h, w) and presences (E,) -> masks (E, H, W) at the video's own size, scores (E,)."""
        cut = self._cut
        masks = np.zeros((len(logits), *size), dtype=bool)
        scores = np.zeros(len(logits), dtype=np.float32)
        for i, (one, presence) in enumerate(zip(logits, presences, strict=True)):
            if presence >= self.segmenter.presence_threshold and (box := _reach(one > cut, size)):
                # Logits are resized, not masks: the outline stays smooth at the video's size. [O]
                part = _upsampled(one, size, box)
                inside = part > cut
                if inside.any():
                    masks[i][box] = inside
                    scores[i] = np.mean(1 / (1 + np.exp(-part[inside]))) * presence
        return masks, scores


@dataclass(frozen=True)
class _Prediction:
    """What the model says of one clip: logits (E, T, h, w) and presences (E, T) on the CPU; masks are of `size`."""

    clip: Sequence[VideoFrame]
    size: Size
    logits: Floats
    presences: Floats


class _Looked(NamedTuple):
    """A clip that is waiting for its turn, and jobs that look at its frames at the network's size."""

    clip: list[VideoFrame]
    network: Size
    jobs: list[Job[Any]]


def _looked_ahead(
    clips: Iterator[list[VideoFrame]], stream: Stream, size: Size | None, count: int
) -> Generator[_Prediction, None, None]:
    """The predictions for clips, with `count` helpers that look at the frames of those to come; `size` as there."""
    threads = torch.get_num_threads()
    limit_threads(threads - count)
    with Helpers(count) as helpers:

        def look(clip: list[VideoFrame]) -> _Looked:
            network = stream.network_size(clip, size)
            return _Looked(clip, network, [helpers.job(partial(stream.embed, x.image, network)) for x in clip])

        waiting: deque[_Looked] = deque()
        failure: Exception | None = None
        reading = True
        while True:
            while reading and len(waiting) <= CLIPS_LOOKED_AHEAD:
                try:
                    waiting.append(look(next(clips)))
                except StopIteration:
                    reading = False
                except Exception as error:
                    # In its turn: what was read before comes first.
                    reading, failure = False, error
            if not waiting:
                break
            if waiting[0].network != stream.network_size(waiting[0].clip, size):
                # The clip before has shown that things are smaller, or larger, than was thought.
                for job in (job for looked in waiting for job in looked.jobs):
                    job.drop()
                waiting = deque(look(looked.clip) for looked in waiting)
            now = waiting.popleft()
            later = (job for looked in waiting for job in looked.jobs)
            embedded = finish(now.jobs, later)
            if not waiting:
                # The last clip: no helper has anything to do.
                limit_threads(threads)
            yield stream.predict(now.clip, size, embedded)
    if failure is not None:
        raise failure


def _resized(image: Image, size: Size) -> Tensor:
    """(H, W, 3) -> (3, h, w), both uint8 RGB and on the CPU."""
    # A copy where the array cannot be written: torch has no read-only tensors.
    pixels = torch.from_numpy(image if image.flags.writeable else image.copy())
    picture = pixels.permute(2, 0, 1)[None]
    if image.shape[:2] != size:
        # Whole bytes with the channels last have a kernel of their own, several times as fast as that for floats.
        picture = F.interpolate(picture, size, mode="bilinear", align_corners=False, antialias=True)
    return picture[0]


class _Taps(NamedTuple):
    """Bilinear resizing along one side: the two places that each new one lies between, and the weight of each."""

    first: Places
    second: Places
    near: Floats
    far: Floats

    def part(self, where: slice, begin: int = 0) -> _Taps:
        """Those of some new places, in values that begin at place `begin`."""
        return _Taps(self.first[where] - begin, self.second[where] - begin, self.near[where], self.far[where])

    def resize(self, values: Floats, axis: Literal[0, 1]) -> Floats:
        """(h, w) -> the same with the new places along one axis."""
        shape = (-1, 1) if axis == 0 else (1, -1)
        # In place: new memory of this size costs as much as the sums.
        resized, other = values.take(self.first, axis), values.take(self.second, axis)
        resized *= self.near.reshape(shape)
        other *= self.far.reshape(shape)
        resized += other
        return resized


@lru_cache(maxsize=8)
def _taps(length: int, target: int) -> _Taps:
    """Of `length` places to `target`, as `F.interpolate` has them."""
    # The scale is a float32 there, and multiplied and added without rounding between.
    scale = np.float64(np.float32(length / target))
    places = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32).clip(min=0)
    first = places.astype(np.int64).clip(max=length - 1)
    far = (places - first).clip(max=1).astype(np.float32)
    return _Taps(first, (first + 1).clip(max=length - 1), 1 - far, far)


def _reach(positive: npt.NDArray[np.bool_], size: Size) -> Box | None:
    """What a box of `size` has to hold so that no place outside depends on any of `positive` (h, w); None: on none."""
    box = []
    for side, target in enumerate(size):
        used = np.flatnonzero(positive.any(axis=1 - side))
        if not len(used):
            return None
        taps = _taps(positive.shape[side], target)
        inside = np.flatnonzero((taps.second >= used[0]) & (taps.first <= used[-1]))
        # Where a frame is smaller than the network's input, no place may depend on them.
        if not len(inside):
            return None
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return box[0], box[1]


def _upsampled(logits: Floats, size: Size, box: Box) -> Floats:
    """The part `box` of what `F.interpolate` (bilinear) makes of logits (h, w) at `size`."""
    rows, columns = (_taps(length, target) for length, target in zip(logits.shape, size, strict=True))
    top, bottom = int(rows.first[box[0]][0]), int(rows.second[box[0]][-1])
    wide = columns.part(box[1]).resize(logits[top : bottom + 1], axis=1)
    return rows.part(box[0], top).resize(wide, axis=0)


def _check_values(size: int | None, threshold: float, presence_threshold: float) -> None:
    if size is not None and size < 1:
        raise UserError(f"size must be greater than 0 pixels, not {size}")
    if not 0 < threshold < 1:
        raise UserError(f"threshold must be between 0 and 1 (both excluded), not {threshold:g}")
    if not 0 <= presence_threshold <= 1:
        raise UserError(f"presence threshold must be between 0 and 1, not {presence_threshold:g}")
