"""Words to masks: a model applied to a whole video or to a live source, clip by clip.

Shapes: E expressions, T frames of a clip, (H, W) the video's own size in pixels, (h, w) the network input size.
The only thing that one clip hands to the next is the history of T tokens, so memory does not grow with the video.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos import __version__
from vlp_rvos.errors import UserError
from vlp_rvos.model import VLPRVOS
from vlp_rvos.runtime import Precision, Runtime, RuntimeName, TorchRuntime, load_runtime
from vlp_rvos.video import DEFAULT_FPS, ArraySource, Image, VideoFrame, VideoSource, open_video

__all__ = ["FrameResult", "Segmenter", "Stream"]


@dataclass(frozen=True)
class FrameResult:
    """What the model says about one frame.

    Attributes:
        index: number of the frame (see `VideoFrame.index`).
        time: seconds from the start of the video.
        image: (H, W, 3) uint8 RGB, the frame itself.
        masks: (E, H, W) bool, one for each expression.
        scores: (E,) float in [0, 1]: mean foreground probability inside the mask, times presence; 0 where the mask
            is empty [D].
        presences: (E,) float in [0, 1]: probability that the expression's target is in the frame [D].
        expressions: the E expressions.
        name: the frame's file stem, or its index with five digits.
    """

    index: int
    time: float
    image: Image
    masks: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float32]
    presences: npt.NDArray[np.float32]
    expressions: tuple[str, ...]
    name: str

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
        size: network input size in pixels, in place of the model's own `config.input_size`.
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
    ) -> None:
        _check_values(size, threshold, presence_threshold)
        self.runtime = model if isinstance(model, Runtime) else TorchRuntime(model)
        self.config = self.runtime.config if size is None else self.runtime.config.replace(input_size=size)
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
    ) -> Self:
        """Load a model that comes with the package, a checkpoint, or an exported model.

        Args:
            model: name of a shipped model, path of a `.safetensors` checkpoint, or a folder of `vlp-rvos export`.
            device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps".
            precision: "fp32", or autocast to "bf16" or "fp16"; "auto" is bf16 on GPUs that have it, otherwise fp32.
            size, threshold, presence_threshold: see the class.
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
        )

    def segment(
        self,
        video: str | Path | VideoSource | Iterable[Image],
        expressions: str | Sequence[str],
        every: int = 1,
        start: float | None = None,
        end: float | None = None,
    ) -> Generator[FrameResult, None, None]:
        """Segment a video, frame by frame; nothing is read ahead of the clip that is being worked on.

        Args:
            video: a video file, a folder of frames, an opened source, or images (H, W, 3) uint8 RGB at 24 fps.
            expressions: what to find; several give several masks.
            every: take every Nth frame.
            start, end: seconds; frames with start <= time < end are taken.

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
        return self._segment(source, self.start(expressions))

    def start(self, expressions: str | Sequence[str], fps: float = DEFAULT_FPS) -> Stream:
        """Begin a live source.

        Args:
            expressions: what to find.
            fps: frame rate of the source; it gives the results their times.

        Raises:
            UserError: an expression is empty, or there is none.
        """
        return Stream(self, expressions, fps)

    def _segment(self, source: VideoSource, stream: Stream) -> Generator[FrameResult, None, None]:
        frames = iter(source)
        while clip := list(itertools.islice(frames, self.config.clip_length)):
            yield from stream.results(clip)


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
        self.reset()

    def reset(self) -> None:
        """Forget the frames so far: the next one is the first of a new video."""
        self._state: object = None
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
            results += self.results(clip)
            self._next_index += len(images)
        return results

    def results(self, clip: Sequence[VideoFrame]) -> Iterator[FrameResult]:
        """Segment one clip; the masks are made frame by frame, as they are asked for."""
        logits, presences = self._forward([frame.image for frame in clip])
        for t, frame in enumerate(clip):
            masks, scores = self._masks(logits[:, t], presences[:, t], frame.image.shape[:2])
            presence = presences[:, t].cpu().numpy()
            yield FrameResult(
                frame.index, frame.time, frame.image, masks, scores, presence, self.expressions, frame.name
            )

    @torch.inference_mode()
    def _forward(self, images: Sequence[Image]) -> tuple[Tensor, Tensor]:
        """Mask logits (E, T, h, w) and presences (E, T); the state moves on."""
        runtime = self.segmenter.runtime
        shape = images[0].shape
        for image in images:
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.shape != shape:
                raise ValueError(f"frames must be (H, W, 3) uint8 of one size, not {image.shape} {image.dtype}")
        size = self.segmenter.config.frame_size(shape[0], shape[1], runtime.size_multiple)
        frames = torch.stack([_resized(image, size, runtime.device) for image in images])[None]
        prediction = runtime.step(frames, self._text, self._state)
        self._state = prediction.state
        logits, presence = prediction.mask_logits, prediction.presence_logits
        return logits, torch.ones_like(logits[:, :, 0, 0]) if presence is None else presence.sigmoid()

    @torch.inference_mode()
    def _masks(
        self, logits: Tensor, presence: Tensor, size: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
        """One frame: logits (E, h, w) and presence (E,) -> masks (E, H, W) at the video's own size, scores (E,)."""
        threshold = self.segmenter.threshold
        # Logits are resized, not masks: the outline stays smooth at the video's size. [O]
        logits = F.interpolate(logits[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
        masks = logits > math.log(threshold / (1 - threshold))
        masks &= (presence >= self.segmenter.presence_threshold)[:, None, None]
        scores = [
            (one[mask].sigmoid().mean() * p).item() if mask.any() else 0.0
            for one, mask, p in zip(logits, masks, presence, strict=True)
        ]
        return masks.cpu().numpy(), np.array(scores, dtype=np.float32)


def _resized(image: Image, size: tuple[int, int], device: torch.device) -> Tensor:
    """(H, W, 3) uint8 -> (3, h, w) float in [0, 1]."""
    # A copy where the array cannot be written: torch has no read-only tensors.
    array = image if image.flags.writeable else image.copy()
    pixels = torch.from_numpy(array).to(device).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(pixels, size=size, mode="bilinear", align_corners=False, antialias=True)[0]


def _check_values(size: int | None, threshold: float, presence_threshold: float) -> None:
    if size is not None and size < 1:
        raise UserError(f"size must be greater than 0 pixels, not {size}")
    if not 0 < threshold < 1:
        raise UserError(f"threshold must be between 0 and 1 (both excluded), not {threshold:g}")
    if not 0 <= presence_threshold <= 1:
        raise UserError(f"presence threshold must be between 0 and 1, not {presence_threshold:g}")
