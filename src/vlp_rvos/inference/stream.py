"""Segment frames as they arrive: the state of one running segmentation.

Shapes: E expressions, T frames of a clip, (H, W) the video's own size in pixels, (h, w) the network input size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError
from vlp_rvos.inference.components import remove_small_components
from vlp_rvos.inference.mask_memory import MaskMemory
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.upsampling import Floats, dependent_box, resize_image, upsample_box
from vlp_rvos.media.video_source import DEFAULT_FPS, VideoFrame
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.results import FrameResult
from vlp_rvos.runtimes.runtime import Runtime

__all__ = ["Stream", "StreamPrediction"]

#: share of a clip's pixels below which a mask is nothing to look at
_STRAY = 3e-4


class Stream:
    """A running segmentation: give it frames as they come. `Segmenter.start` makes one.

    Args:
        runtime: what runs the model.
        config: the model's config, with the changes of `options`.
        options: thresholds of the masks.
        expressions: what to find.
        fps: frame rate of a live source, from which its results get their times.

    Raises:
        UserError: an expression is empty, or there is none.

    Example:
        >>> stream = segmenter.start("the red car")
        >>> results = stream.step(frames)  # frames: (H, W, 3) uint8 RGB arrays
    """

    def __init__(
        self,
        runtime: Runtime,
        config: ModelConfig,
        options: InferenceOptions,
        expressions: str | Sequence[str],
        fps: float = DEFAULT_FPS,
    ) -> None:
        self.runtime, self.config, self.options = runtime, config, options
        self.expressions = (expressions,) if isinstance(expressions, str) else tuple(expressions)
        if not self.expressions:
            raise UserError("no expression: say what to find, for example 'the red car'")
        self.fps = fps
        self._text = runtime.encode_text(self.expressions)
        self._logit_threshold = math.log(options.threshold / (1 - options.threshold))
        self.reset()

    def reset(self) -> None:
        """Forget the frames so far: the next one is the first of a new video."""
        frames = self.config.memory_frames
        self._state: object = None
        self._memory = MaskMemory(frames, self.config.memory_weight, self.config.clip_length) if frames else None
        self._side = self.config.input_size
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
        for first in range(0, len(frames), self.config.clip_length):
            images = frames[first : first + self.config.clip_length]
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
        return self.config.frame_size(height, width, self.runtime.size_multiple, self._side)

    def embed(self, image: Image, network: Size) -> Any:
        """What the model sees in one frame, whatever comes before it, for `predict`; any thread may ask."""
        return self.runtime.embed(self._frames([image], network))

    def _frames(self, images: Iterable[Image], network: Size) -> Tensor:
        pixels = torch.stack([resize_image(image, network) for image in images])
        return pixels.to(self.runtime.device)[None].float() / 255

    @torch.inference_mode()
    def predict(
        self, clip: Sequence[VideoFrame], size: Size | None = None, embedded: Tensor | Sequence[Any] | None = None
    ) -> StreamPrediction:
        """Run the model on one clip; the state moves on.

        Args:
            clip: the frames.
            size: (H, W) of the masks, where it is not that of the images.
            embedded: what `embed` has made of each frame, at the `network_size` that holds now.

        Raises:
            ValueError: an image of another form, or images of different sizes.
        """
        runtime = self.runtime
        if embedded is None:
            embedded = self._frames((frame.image for frame in clip), self.network_size(clip, size))
        prediction = runtime.step(embedded, self._text, self._state)
        self._state = prediction.state
        logits, presence = prediction.mask_logits, prediction.presence_logits
        presences = torch.ones_like(logits[:, :, 0, 0]) if presence is None else presence.sigmoid()
        if self._memory is not None and prediction.correspondence_features is not None:
            logits = self._memory.refine(logits, presences, prediction.correspondence_features)
        logits = remove_small_components(
            logits.cpu().flatten(0, 1), self._logit_threshold, self.config.min_part
        ).view_as(logits)
        presences = presences.cpu()
        self._side = self._next_side(logits, presences)
        return StreamPrediction(clip, size or clip[0].image.shape[:2], logits.numpy(), presences.numpy())

    def _next_side(self, logits: Tensor, presences: Tensor) -> int:
        """Input size of the next clip: the smallest thing that was found in this one, (E, T, h, w), decides."""
        config = self.config
        if not config.small_size:
            return config.input_size
        # Counted by expression: a mean over bytes takes ten times as long.
        areas = np.array([np.count_nonzero(one) for one in logits.numpy() > self._logit_threshold]) / logits[0].numel()
        found = areas[(areas >= _STRAY) & (presences.mean(1).numpy() >= 0.5)]
        # Where it is looked at closely it has to be larger for that to end, so that sizes do not alternate.
        limit = config.small_area * (1.25 if self._side == config.small_size else 1.0)
        return config.small_size if len(found) and found.min() < limit else config.input_size

    def results(self, prediction: StreamPrediction) -> Iterator[FrameResult]:
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
                frame.yuv_frame,
            )

    def _masks(self, logits: Floats, presences: Floats, size: Size) -> tuple[npt.NDArray[np.bool_], Floats]:
        """One frame: logits (E, h, w) and presences (E,) -> masks (E, H, W) at the video's own size, scores (E,)."""
        threshold = self._logit_threshold
        masks = np.zeros((len(logits), *size), dtype=bool)
        scores = np.zeros(len(logits), dtype=np.float32)
        for i, (one, presence) in enumerate(zip(logits, presences, strict=True)):
            if presence >= self.options.presence_threshold and (box := dependent_box(one > threshold, size)):
                # Logits are resized, not masks: the outline stays smooth at the video's size. [O]
                part = upsample_box(one, size, box)
                inside = part > threshold
                if inside.any():
                    masks[i][box] = inside
                    scores[i] = np.mean(1 / (1 + np.exp(-part[inside]))) * presence
        return masks, scores


@dataclass(frozen=True)
class StreamPrediction:
    """What the model says of one clip: logits (E, T, h, w) and presences (E, T) on the CPU; masks are of `size`."""

    clip: Sequence[VideoFrame]
    size: Size
    logits: Floats
    presences: Floats
