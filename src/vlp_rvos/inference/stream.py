"""Segment frames as they arrive: the state of one running segmentation.

`[D]` marks our own decisions and `[O]` the authors' release; `docs/method.md` explains the marks. Shapes: E things to
find, those of the expressions and then those that were pointed at, T frames of a clip, (H, W) the video's own size in
pixels, (h, w) the network input size.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.arrays import Floats, Image, Size
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.inference.components import remove_small_components
from vlp_rvos.inference.key_frames import find_key_frames
from vlp_rvos.inference.mask_memory import MaskMemory
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.pointing import DrawnMask, Point, Pointing, Prompt
from vlp_rvos.inference.upsampling import dependent_box, resize_image, upsample_box
from vlp_rvos.media.video_source import DEFAULT_FPS, FRAME_RATES, TIME_TOLERANCE, VideoFrame
from vlp_rvos.models.candidates import MASK_STRIDE
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.pointed_things import Mark, MissedPoint
from vlp_rvos.results import FrameResult
from vlp_rvos.runtimes.runtime import Runtime
from vlp_rvos.utils.plain_text import escape_surrogates, short_repr

__all__ = ["Stream", "StreamPrediction"]

#: What was found in the clip before is believed at this share of the threshold, so that masks do not blink. [D]
BELIEF = 0.5

#: A mask with a smaller share of a clip's pixels is stray pixels: it does not decide the size of the next input.
MIN_AREA = 3e-4
#: Mean presence from which an expression's mask counts for the size of the next input.
MIN_PRESENCE = 0.5
#: A clip that was seen at the larger size must show this many times `small_area` before the size changes back, so that
#: sizes do not alternate.
HYSTERESIS = 1.25
#: Weight of earlier masks, relative to what the configuration says, where candidates join in: their masks flicker less
#: than those of the dense head, for which it is meant, and what is wrong in one is carried along too.
STEADY = 0.25

#: Beginnings of the names of a state's tensors that belong to the runtime and to the memory of masks.
RUNTIME, MEMORY = "runtime.", "memory."


@dataclass(frozen=True)
class StreamPrediction:
    """The prediction for one clip, before masks are made of it.

    Attributes:
        clip: the T frames of the clip.
        size: (H, W) of the masks to make.
        logits: (E, T, h, w) mask logits, on the CPU.
        presences: (E, T) probabilities that the target is in the frame, on the CPU.
        thresholds: (E,) presence below which the mask of a frame is left empty.
    """

    clip: Sequence[VideoFrame]
    size: Size
    logits: Floats
    presences: Floats
    thresholds: Floats


class Stream:
    """A running segmentation: it takes frames as they come, and carries its state from clip to clip.

    `Segmenter.start` makes one.

    Args:
        runtime: the runtime that runs the model.
        config: the model's config, with the options applied.
        options: the threshold of masks; the other options have no effect here.
        expressions: the expressions to find.
        fps: frame rate of a live source, which gives the results their times.
        pointing: what is pointed at.
        backward: whether frames come in the reverse order; `Pointing.reversed` then gives what is pointed at.

    Attributes:
        expressions: the expressions, then the names of the things that were pointed at.
        pointing: what is pointed at.

    Raises:
        UserError: an expression is empty, there is neither an expression nor a thing that was pointed at, the model
            cannot follow such things, or the frame rate is out of its range.

    Example:
        >>> stream = segmenter.start("the red car")
        >>> results = stream.step(frames)  # frames: (H, W, 3) uint8 RGB arrays
    """

    def __init__(
        self,
        runtime: Runtime,
        config: ModelConfig,
        options: InferenceOptions,
        expressions: str | Sequence[str] = (),
        fps: float = DEFAULT_FPS,
        pointing: Pointing | None = None,
        *,
        backward: bool = False,
    ) -> None:
        self.runtime, self.config, self.options = runtime, config, options
        self.pointing, self._backward = pointing or Pointing(), backward
        # What is not UTF-8, such as a byte of another encoding typed into a terminal, can be neither read nor written.
        given = (expressions,) if isinstance(expressions, str) else expressions
        words = tuple(map(escape_surrogates, given))
        self.expressions = words + self.pointing.names
        if not self.expressions:
            raise UserError("no expression: say what to find, for example 'the red car', or point at it")
        if self.pointing and not runtime.can_point:
            raise UserError(
                "this model cannot follow what is pointed at, because it proposes no candidates: use mini with the "
                "runtime torch and candidates above 0, or say what to find in words"
            )
        FRAME_RATES.check("fps", fps, UserError)
        self.fps = fps
        self._text = runtime.encode_text(words) if words else None
        self._logit_threshold = math.log(options.threshold / (1 - options.threshold))
        self.reset()

    def reset(self) -> None:
        """Forget all frames so far: the next frame is the first of a new video."""
        frames = self.config.memory_frames
        weight = self.config.memory_weight * (STEADY if self.config.candidates else 1.0)
        self._state: object = None
        self._memory = MaskMemory(frames, weight, self.config.clip_length) if frames else None
        self._input_size = self.config.input_size
        self._last_time = -math.inf
        self._next_index = 0
        self._found = np.zeros(len(self.expressions), dtype=bool)
        self._shape: tuple[int, ...] | None = None

    def state(self) -> dict[str, Tensor]:
        """What is carried from the clips so far to the next one, as named tensors on the CPU, for `restore`.

        A later change of the stream does not change them.

        Raises:
            ValueError: things are pointed at, whose state cannot be stored.
        """
        tensors = {
            "found": torch.from_numpy(self._found),
            "input_size": torch.tensor(self._input_size),
            "next_index": torch.tensor(self._next_index),
            "shape": torch.tensor(self._shape or (), dtype=torch.int64),
        }
        tensors |= {f"{RUNTIME}{name}": tensor for name, tensor in self.runtime.pack_state(self._state).items()}
        if self._memory is not None:
            tensors |= {f"{MEMORY}{name}": tensor for name, tensor in self._memory.state().items()}
        return {name: tensor.clone() for name, tensor in tensors.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on where another stream stood when it gave its `state`; that of this stream is forgotten.

        The results are then those that the other stream would have given. Both must have the same model, options and
        expressions.

        Args:
            state: what `state` returned, from this or another process.

        Raises:
            ValueError: it is not the state of such a stream.
        """
        self.reset()
        # Tensors that were read from a file may lie at odd addresses, with which operations round differently.
        state = {name: tensor.clone() for name, tensor in state.items()}
        try:
            found, self._input_size = state["found"].numpy().astype(bool), int(state["input_size"])
            self._next_index, shape = int(state["next_index"]), tuple(state["shape"].tolist())
            if found.shape != self._found.shape:
                raise ValueError(f"of {len(found)} expressions, not {len(self._found)}")
            self._found, self._shape = found, shape or None
            self._state = self.runtime.unpack_state(_named(state, RUNTIME))
            if (memory := _named(state, MEMORY)) and self._memory is not None:
                self._memory.restore(memory, self.runtime.device)
            elif memory or self._memory is not None:
                raise ValueError("with another memory of masks")
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            self.reset()
            raise ValueError(f"not a state of this stream: {error}") from error

    def step(self, frames: Sequence[Image]) -> list[FrameResult]:
        """Segment the next frames.

        The frames of one call form one clip, or several if there are more than the model's clip length. Nothing is
        predicted if one of them is wrong.

        Args:
            frames: any number of (H, W, 3) uint8 RGB images, all of one size, which later calls keep to.

        Returns:
            One result for each frame; their indices go on from the last call.

        Raises:
            ValueError: an image has another shape or type, or another size than the others or than earlier frames.
        """
        self._check_images(frames)
        results: list[FrameResult] = []
        for first in range(0, len(frames), self.config.clip_length):
            images = frames[first : first + self.config.clip_length]
            numbers = itertools.count(self._next_index)
            clip = [VideoFrame(i, i / self.fps, image, f"{i:05d}") for i, image in zip(numbers, images, strict=False)]
            results += self.results(self.predict(clip))
            self._next_index += len(images)
        return results

    def network_size(self, clip: Sequence[VideoFrame], size: Size | None = None) -> Size:
        """The (h, w) input size of the network for the next clip; arguments and errors as for `predict`."""
        self._check_images([frame.image for frame in clip])
        height, width = size or clip[0].image.shape[:2]
        return self.config.frame_size(height, width, self.runtime.size_multiple, self._input_size)

    def candidates(self, clip: Sequence[VideoFrame]) -> list[int]:
        """For each frame of a clip, how many candidates are proposed in it at most."""
        config = self.config
        # A source of one frame. Where clips have one frame each, it is the first of many; backwards it is the last.
        is_picture = len(clip) == 1 and clip[0].index == 0 and config.clip_length > 1 and not self._backward
        if is_picture and config.candidates:
            return [config.candidates_in_picture or config.candidates]
        # Pointed things are looked for in the candidates of every frame.
        every = config.propose_every if config.candidates and not self.pointing else 1
        keys = find_key_frames([frame.image for frame in clip], every)
        return [config.candidates if is_key else 0 for is_key in keys]

    def embedding_calls(self, clip: Sequence[VideoFrame], network_size: Size) -> list[Callable[[], Any]]:
        """For each frame of a clip a call of `embed`, which any thread may make."""
        return [
            partial(self.embed, frame.image, network_size, number)
            for frame, number in zip(clip, self.candidates(clip), strict=True)
        ]

    def embed(self, image: Image, network_size: Size, candidates: int | None = None) -> Any:
        """Embed one frame, independently of all other frames, for `predict`. Any thread may call this.

        Args:
            image: the frame.
            network_size: see `network_size`.
            candidates: what the method of this name says of the frame; None for as many as the config says.
        """
        return self.runtime.embed(self._input([image], network_size), None if candidates is None else [candidates])

    def _input(self, images: Iterable[Image], network_size: Size) -> Tensor:
        # The channels stay last, as the convolutions want them.
        pixels = torch.stack([resize_image(image, network_size).permute(1, 2, 0) for image in images])
        return pixels.to(self.runtime.device).permute(0, 3, 1, 2)[None].float().div_(255)

    @torch.inference_mode()
    def predict(
        self, clip: Sequence[VideoFrame], size: Size | None = None, embedded: Sequence[Any] | None = None
    ) -> StreamPrediction:
        """Run the model on the next clip, and move the state on.

        Args:
            clip: the frames of the clip.
            size: (H, W) of the masks, if it differs from that of the images.
            embedded: the result of `embed` for each frame at the `network_size` of this clip, if that was computed
                before.

        Raises:
            ValueError: an image has another shape or type, or the images differ in size.
        """
        network_size = self.network_size(clip, size)
        frames: Tensor | Sequence[Any] = embedded or self._input((frame.image for frame in clip), network_size)
        if isinstance(frames, Tensor) and (numbers := self.candidates(clip)) != [self.config.candidates] * len(clip):
            frames = [self.runtime.embed(frames, numbers)]
        marks = self._marks(clip, size or clip[0].image.shape[:2], network_size)
        prediction = self.runtime.step(frames, self._text, self._state, len(self.pointing), marks)
        self._state, self._last_time = prediction.state, clip[-1].time
        self._report(prediction.missed, clip, size or clip[0].image.shape[:2])
        logits, presence = prediction.mask_logits, prediction.presence_logits
        presences = torch.ones_like(logits[:, :, 0, 0]) if presence is None else presence.sigmoid()
        if self._memory is not None and prediction.correspondence_features is not None:
            logits = self._memory.refine(logits, presences, prediction.correspondence_features)
        least = torch.full(logits.shape[:2], self.config.min_part)
        if prediction.smallest_share is not None:
            # Of two things that are meant the smaller one is no small part.
            shares = prediction.smallest_share.cpu()
            least[: len(shares)] *= shares[:, None]
        flat = remove_small_components(logits.cpu().flatten(0, 1), self._logit_threshold, least.flatten())
        logits, presences = flat.view_as(logits), presences.cpu()
        self._input_size = self._next_input_size(logits, presences)
        thresholds = self._presence_thresholds(presences.numpy())
        return StreamPrediction(clip, size or clip[0].image.shape[:2], logits.numpy(), presences.numpy(), thresholds)

    def _marks(self, clip: Sequence[VideoFrame], size: Size, network_size: Size) -> list[Mark]:
        """What is pointed at in the frames of a clip, for the runtime; arguments (H, W) and (h, w)."""
        marks, before = [], self._last_time
        for t, frame in enumerate(clip if self.pointing else ()):
            prompts = self.pointing.between(frame.time - 2 * TIME_TOLERANCE if self._backward else before, frame.time)
            before = frame.time
            for prompt in prompts:
                prompt.check_size(size)
            for row, name in enumerate(self.pointing.names):
                if own := [prompt for prompt in prompts if prompt.name == name]:
                    marks.append(self._mark(row, t, own, frame.image, size, network_size))
        return marks

    def _mark(self, row: int, t: int, prompts: Sequence[Prompt], image: Image, size: Size, network_size: Size) -> Mark:
        """What is marked of one thing in one frame."""
        include, exclude = (
            tuple((one.x / size[1], one.y / size[0]) for one in prompts if isinstance(one, Point) and one.include is on)
            for on in (True, False)
        )
        grid = (network_size[0] // MASK_STRIDE, network_size[1] // MASK_STRIDE)
        drawn = tuple(_coarse(one.mask, grid) for one in prompts if isinstance(one, DrawnMask))
        looks: tuple[Tensor, ...] = ()
        if drawn:
            drawn = tuple(mask.to(self.runtime.device) for mask in drawn)
            looks = tuple(self.runtime.describe_drawn(self._input([image], network_size), torch.stack(drawn)).float())
        return Mark(row, t, include, exclude, drawn, looks)

    def _report(self, missed: Iterable[MissedPoint], clip: Sequence[VideoFrame], size: Size) -> None:
        """Warn of points at which nothing was found."""
        for point in missed:
            x, y = point.place[0] * size[1], point.place[1] * size[0]
            where = f"{short_repr(self.pointing.names[point.thing])}: at {x:g},{y:g}@{clip[point.frame].time:g}"
            if point.include:
                message = f"{where} nothing separate was found; point at another place or frame of it, or draw its mask"
            else:
                message = f"{where} nothing separate was found to take away; point at the thing where it is alone"
            warnings.warn(VLPRVOSWarning(message), stacklevel=3)

    def _presence_thresholds(self, presences: Floats) -> Floats:
        """Thresholds (E,) for a clip with presences (E, T); note what it finds."""
        threshold = self.config.presence_threshold
        thresholds = np.where(self._found, BELIEF * threshold, threshold).astype(np.float32)
        self._found = presences.max(1) >= thresholds
        return thresholds

    def _next_input_size(self, logits: Tensor, presences: Tensor) -> int:
        """Input size of the next clip, by the smallest object that was found in this one. [D]

        Args:
            logits: (E, T, h, w) mask logits.
            presences: (E, T) probabilities that the target is in the frame.
        """
        config = self.config
        if not config.small_size:
            return config.input_size
        # Counted for each expression by itself: a mean over boolean maps takes ten times as long.
        inside = logits.numpy() > self._logit_threshold
        areas = np.array([np.count_nonzero(masks) for masks in inside]) / logits[0].numel()
        found = areas[(areas >= MIN_AREA) & (presences.mean(1).numpy() >= MIN_PRESENCE)]
        limit = config.small_area * (HYSTERESIS if self._input_size == config.small_size else 1.0)
        return config.small_size if len(found) and found.min() < limit else config.input_size

    def results(self, prediction: StreamPrediction) -> Iterator[FrameResult]:
        """The results for the frames of one clip; the masks of a frame are made when the iterator reaches it."""
        for t, frame in enumerate(prediction.clip):
            presences = prediction.presences[:, t]
            masks, scores = self._masks(prediction.logits[:, t], presences, prediction.thresholds, prediction.size)
            yield FrameResult(
                frame.index,
                frame.time,
                frame.image,
                masks,
                scores,
                presences,
                self.expressions,
                frame.name,
                frame.yuv_frame,
            )

    def _masks(
        self, logits: Floats, presences: Floats, thresholds: Floats, size: Size
    ) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Logits (E, h, w), presences (E,) and thresholds (E,) of one frame -> masks (E, H, W) and scores (E,)."""
        threshold = self._logit_threshold
        masks = np.zeros((len(logits), *size), dtype=bool)
        scores = np.zeros(len(logits), dtype=np.float32)
        for i, (one, presence, least) in enumerate(zip(logits, presences, thresholds, strict=True)):
            if presence >= least and (box := dependent_box(one > threshold, size)):
                # Logits are resized, not masks: the outline stays smooth at the video's size. [O]
                part = upsample_box(one, size, box)
                inside = part > threshold
                if inside.any():
                    masks[i][box] = inside
                    scores[i] = np.mean(1 / (1 + np.exp(-part[inside]))) * presence
        return masks, scores

    def _check_images(self, images: Sequence[Image]) -> None:
        """Check images, and note the size that all later ones must have."""
        for image in images:
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                raise ValueError(f"frames must be (H, W, 3) uint8 of one size, not {image.shape} {image.dtype}")
            shape = self._shape or images[0].shape
            if image.shape != shape:
                (height, width), (first_height, first_width) = image.shape[:2], shape[:2]
                raise ValueError(
                    f"frames must be of one size: this one is {width}x{height}, the first was "
                    f"{first_width}x{first_height}; after `reset` a stream takes frames of another size"
                )
        if len(images):
            self._shape = images[0].shape


def _coarse(mask: npt.NDArray[np.bool_], grid: Size) -> Tensor:
    """A mask (H, W) at the size of the candidates' masks; what would vanish there keeps a position."""
    full = torch.from_numpy(mask)[None, None].float()
    coarse = F.interpolate(full, grid, mode="area")[0, 0]
    return coarse >= min(0.5, float(coarse.max()))


def _named(state: Mapping[str, Tensor], beginning: str) -> dict[str, Tensor]:
    """The tensors whose names have a beginning, without it."""
    return {name.removeprefix(beginning): tensor for name, tensor in state.items() if name.startswith(beginning)}
