"""A session with a video and text prompts, with the calls of SAM 3 for videos in the library `transformers`.

A script for `Sam3VideoModel` and `Sam3VideoProcessor` runs with `VideoModel` and `VideoProcessor` after a change of its
import; `docs/python.md` shows both. Only the interface is theirs. Each prompt is one object:
its mask holds everything that the prompt means, several things for a plural.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.arrays import Image
from vlp_rvos.errors import UserError
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.inference.stream import Stream
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import VideoSource
from vlp_rvos.results import FrameResult, mask_boxes
from vlp_rvos.runtimes.names import Precision
from vlp_rvos.utils.plain_text import is_blank
from vlp_rvos.utils.progress import counting

__all__ = ["ProcessedImages", "VideoModel", "VideoOutput", "VideoProcessor", "VideoSession"]

#: Number format of PyTorch -> the precision to run in.
PRECISIONS: dict[torch.dtype, Precision] = {
    torch.float32: "fp32",
    torch.bfloat16: "bf16",
    torch.float16: "fp16",
}


class Fields:
    """Gives the fields of a record by name too, as `transformers` does: `output["frame_idx"]`."""

    def __getitem__(self, name: str) -> Any:
        try:
            return vars(self)[name]
        except KeyError:
            raise KeyError(f"{name!r}: there is {', '.join(vars(self))}") from None

    def keys(self) -> list[str]:
        """Names of the fields."""
        return list(vars(self))


@dataclass
class ProcessedImages(Fields):
    """Images that are ready for `VideoModel`.

    Attributes:
        pixel_values: (N, 3, H, W) uint8 RGB; the model resizes and normalizes them itself.
        original_sizes: [H, W] of each image, in pixels.
    """

    pixel_values: Tensor
    original_sizes: list[list[int]]

    def to(self, *_: object, **__: object) -> Self:
        """These images: the model moves them itself."""
        return self


@dataclass
class VideoOutput(Fields):
    """What the model finds in one frame.

    Attributes:
        object_ids: ids of the objects that were found in this frame.
        obj_id_to_mask: id -> (1, H, W) bool mask at the size of the frame.
        obj_id_to_score: id -> score in [0, 1], see `FrameResult`.
        obj_id_to_tracker_score: id -> presence in [0, 1], see `FrameResult`.
        removed_obj_ids: always empty; theirs removes objects that it took for others.
        suppressed_obj_ids: always empty.
        frame_idx: number of the frame, from 0.
    """

    object_ids: list[int]
    obj_id_to_mask: dict[int, Tensor]
    obj_id_to_score: dict[int, float]
    obj_id_to_tracker_score: dict[int, float]
    frame_idx: int
    removed_obj_ids: set[int] = field(default_factory=set)
    suppressed_obj_ids: set[int] = field(default_factory=set)


class VideoSession:
    """A video, its prompts, and the state of the model. `VideoProcessor.init_video_session` makes one.

    Args:
        video: see `VideoProcessor.init_video_session`.

    Attributes:
        prompts: id of a prompt -> its text.
        obj_id_to_prompt_id: id of an object -> id of its prompt. Each prompt has one object, of the same id.
        video_height, video_width: size of the frames in pixels; None until the first frame is known.
        streams: the running segmentations of streamed frames.
    """

    def __init__(self, video: VideoSource | Sequence[Any] | None) -> None:
        self.video = video
        self.prompts: dict[int, str] = {}
        self.video_height: int | None = None
        self.video_width: int | None = None
        self.streams = _Streams()
        self._streamed = 0
        if isinstance(video, VideoSource):
            self.video_height, self.video_width = video.info.height, video.info.width
        elif video is not None and len(video):
            self.video_height, self.video_width = rgb_image(video[0]).shape[:2]

    @property
    def num_frames(self) -> int | None:
        """Number of frames; None for a video file, whose end is found by reading it, and for streamed frames."""
        return None if self.video is None or isinstance(self.video, VideoSource) else len(self.video)

    @property
    def obj_id_to_prompt_id(self) -> dict[int, int]:
        """Id of an object -> id of its prompt."""
        return {number: number for number in self.prompts}

    def add_prompt(self, prompt_text: str) -> int:
        """Add a prompt, unless the session has it.

        Returns:
            The id of the prompt: 0, 1, 2, ...

        Raises:
            UserError: the prompt is empty.
        """
        if is_blank(prompt_text):
            raise UserError("an empty prompt: say what to find, for example 'the red car'")
        for number, text in self.prompts.items():
            if text == prompt_text:
                return number
        number = len(self.prompts)
        self.prompts[number] = prompt_text
        return number

    def reset_inference_session(self) -> None:
        """Forget the streamed frames, and keep the prompts."""
        self.streams, self._streamed = _Streams(), 0

    def reset_state(self) -> None:
        """Forget the streamed frames and the prompts."""
        self.reset_inference_session()
        self.prompts.clear()

    def next_index(self) -> int:
        """The number of the next streamed frame."""
        self._streamed += 1
        return self._streamed - 1

    def frames(self, start: int, number: int | None, reverse: bool) -> Generator[tuple[int, Image], None, None]:
        """Numbers and images of the frames from `start` on, as `VideoModel.propagate_in_video_iterator` wants them."""
        if start < 0:
            raise UserError(f"frames are counted from 0, not from {start}")
        if isinstance(self.video, VideoSource):
            if reverse:
                raise UserError("a video file is read forwards: pass its frames as a list for reverse=True")
            with closing(self.video.read()) as read:
                stop = None if number is None else start + number + 1
                for index, frame in enumerate(itertools.islice(read, stop)):
                    if index >= start:
                        yield index, frame.image
            return
        if self.video is None:
            raise UserError("the session has no video: pass one to init_video_session, or each frame to the model")
        length = len(self.video)
        number = length if number is None else number
        if reverse:
            order = range(min(start, length) - 1, max(start - number, 0) - 1, -1)
        else:
            order = range(start, min(start + number, length - 1) + 1)
        for index in order:
            yield index, rgb_image(self.video[index])


class _Streams:
    """The running segmentations of a session: one for the prompts that were there at first, one for each later lot."""

    def __init__(self) -> None:
        self._running: list[tuple[list[int], Stream]] = []

    def step(self, segmenter: Segmenter, prompts: Mapping[int, str], images: Sequence[Image]) -> list[VideoOutput]:
        """Segment the next frames for all prompts; numbers of the frames are counted from 0."""
        known = {number for numbers, _ in self._running for number in numbers}
        if new := [number for number in prompts if number not in known]:
            self._running.append((new, segmenter.start([prompts[number] for number in new])))
        if not self._running:
            raise UserError("the session has no prompt: call add_text_prompt first")
        outputs = [VideoOutput([], {}, {}, {}, index) for index in range(len(images))]
        for numbers, stream in self._running:
            for output, result in zip(outputs, stream.step(images), strict=True):
                _add(output, numbers, result)
        return outputs


def _add(output: VideoOutput, numbers: Sequence[int], result: FrameResult) -> None:
    """Add the objects that a result has found to an output; their ids are `numbers`."""
    for number, mask, found, score, presence in zip(
        numbers, result.masks, result.found, result.scores, result.presences, strict=True
    ):
        if found:
            output.object_ids.append(number)
            output.obj_id_to_mask[number] = torch.from_numpy(mask)[None]
            output.obj_id_to_score[number] = float(score)
            output.obj_id_to_tracker_score[number] = float(presence)


class VideoProcessor:
    """Takes videos, images and prompts, and gives masks; the counterpart of `Sam3VideoProcessor`."""

    @classmethod
    def from_pretrained(cls, model: str | Path = "mini", **_: object) -> Self:
        """A processor. It is the same for every model, so nothing is loaded."""
        return cls()

    def __call__(self, images: Any, **_: object) -> ProcessedImages:
        """Take an image or a list of images of one size, to pass to the model frame by frame.

        Args:
            images: PIL images, or (H, W, 3) or (3, H, W) uint8 RGB arrays or tensors.

        Raises:
            ValueError: an image has another shape or type, or the images differ in size.
        """
        listed = images if isinstance(images, list | tuple) else [images]
        taken = [rgb_image(image) for image in listed]
        if len({image.shape for image in taken}) != 1:
            raise ValueError("give one image, or several of one size")
        pixels = torch.from_numpy(np.stack(taken)).permute(0, 3, 1, 2)
        return ProcessedImages(pixels, [[*image.shape[:2]] for image in taken])

    def init_video_session(self, video: Any = None, **_: object) -> VideoSession:
        """Begin a session.

        Args:
            video: a list of PIL images or of (H, W, 3) uint8 RGB arrays, one array (T, H, W, 3), or the path of a video
                file or a folder of frames, which is read frame by frame. None to pass frames to the model as they come.

        Other arguments of `transformers`, such as `inference_device` and `dtype`, are taken and have no effect: the
        model knows where it runs, and no frames are stored besides those that were given.

        Raises:
            UserError: the video cannot be read.
        """
        if isinstance(video, str | Path):
            video = open_video(video)
        if video is not None and not isinstance(video, VideoSource) and not hasattr(video, "__getitem__"):
            raise UserError("a video is a list of frames, an array or a path; pass frames of a generator one by one")
        return VideoSession(video)

    def add_text_prompt(self, inference_session: VideoSession, text: str | Sequence[str]) -> VideoSession:
        """Add prompts, at any time. Frames from the next clip on are searched for them.

        Args:
            inference_session: the session.
            text: one prompt or several, each of which becomes one object. A prompt that is there already adds nothing.

        Returns:
            The session.

        Raises:
            UserError: a prompt is empty.
        """
        for prompt in [text] if isinstance(text, str) else text:
            inference_session.add_prompt(prompt)
        return inference_session

    def postprocess_outputs(
        self,
        inference_session: VideoSession,
        model_outputs: VideoOutput,
        original_sizes: Sequence[Sequence[float]] | Tensor | None = None,
    ) -> dict[str, Any]:
        """What was found in a frame, as tensors.

        Args:
            inference_session: the session.
            model_outputs: what the model gave for the frame.
            original_sizes: [[H, W]] of the masks, where they shall have another size than the frame.

        Returns:
            For the N objects that were found: "object_ids" (N,) int64, "scores" (N,) float32, "boxes" (N, 4) float32
            left, top, right and bottom in pixels, of which the last column and row belong to the object, "masks"
            (N, H, W) bool, and "prompt_to_obj_ids" {prompt: [id]}.
        """
        ids = sorted(model_outputs.object_ids)
        size = inference_session.video_height or 0, inference_session.video_width or 0
        masks = torch.cat([torch.zeros(0, *size, dtype=torch.bool), *(model_outputs.obj_id_to_mask[i] for i in ids)])
        if original_sizes is not None:
            height, width = np.asarray(original_sizes).reshape(-1, 2)[0].astype(int).tolist()
            if (height, width) != tuple(masks.shape[1:]):
                resized = F.interpolate(masks[:, None].float(), (height, width), mode="nearest-exact")[:, 0]
                masks = resized > 0
        prompts: dict[str, list[int]] = {}
        for number in ids:
            text = inference_session.prompts[inference_session.obj_id_to_prompt_id[number]]
            prompts.setdefault(text, []).append(number)
        return {
            "object_ids": torch.tensor(ids, dtype=torch.int64),
            "scores": torch.tensor([model_outputs.obj_id_to_score[i] for i in ids], dtype=torch.float32),
            "boxes": torch.from_numpy(mask_boxes(masks.numpy())),
            "masks": masks,
            "prompt_to_obj_ids": prompts,
        }


class VideoModel:
    """Finds what prompts mean in videos; the counterpart of `Sam3VideoModel`.

    Args:
        segmenter: what runs the model.
    """

    def __init__(self, segmenter: Segmenter, source: str | Path | None = None) -> None:
        self.segmenter = segmenter
        self._source = source

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = "mini",
        *,
        device_map: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        options: InferenceOptions | None = None,
        **changes: Any,
    ) -> Self:
        """Load a model; arguments and errors are those of `Segmenter.from_pretrained`.

        Args:
            model: name, path or hub id of the model.
            device_map: the device, in place of the option `device`.
            dtype: float32, bfloat16 or float16, in place of the option `precision`.
            options: how to run the model.
            changes: single fields of `InferenceOptions`.
        """
        options = _moved(replace(options or InferenceOptions(), **changes), device_map, dtype)
        return cls(Segmenter.from_pretrained(model, options), model)

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self.segmenter.runtime.device

    def to(self, device: str | torch.device | torch.dtype | None = None, dtype: torch.dtype | None = None) -> Self:
        """Move the model to a device, and let it compute in another number format.

        Raises:
            UserError: the device is not available, the number format is none of float32, bfloat16 and float16, or the
                model was not loaded by `from_pretrained`.
        """
        if isinstance(device, torch.dtype):
            device, dtype = None, device
        options = _moved(self.segmenter.options, device, dtype)
        if options != self.segmenter.options:
            if self._source is None:
                raise UserError("a model that was passed in stays where it is: move it before")
            self.segmenter = Segmenter.from_pretrained(self._source, options)
        return self

    def eval(self) -> Self:
        """This model, which is always ready for inference."""
        return self

    def __call__(
        self, inference_session: VideoSession, frame_idx: int | None = None, frame: Any = None, **_: object
    ) -> VideoOutput:
        """Segment one frame, as the next one of the session.

        One frame alone is a clip of one frame, in which movements cannot be seen: where the whole video is there,
        `propagate_in_video_iterator` is better and faster.

        Args:
            inference_session: the session.
            frame_idx: which frame of the session's video, or the number to give to `frame`.
            frame: (3, H, W), as `VideoProcessor` gives it.

        Raises:
            UserError: there is neither a frame nor a video to take it from, or there is no prompt.
            ValueError: the frame has another shape or type, or another size than the frames before.
        """
        if frame is None:
            if frame_idx is None:
                raise UserError("pass frame, or frame_idx to take it from the session's video")
            found = next(inference_session.frames(frame_idx, 0, False), None)
            if found is None:
                raise UserError(f"the session's video has no frame {frame_idx}")
            image = found[1]
        else:
            image = rgb_image(frame)
        (output,) = inference_session.streams.step(self.segmenter, inference_session.prompts, [image])
        inference_session.video_height, inference_session.video_width = image.shape[:2]
        number = inference_session.next_index()
        return replace(output, frame_idx=number if frame_idx is None else frame_idx)

    def propagate_in_video_iterator(
        self,
        inference_session: VideoSession,
        start_frame_idx: int = 0,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
        show_progress_bar: bool = False,
    ) -> Generator[VideoOutput, None, None]:
        """Segment the session's video, clip by clip.

        Args:
            inference_session: the session. Prompts that are added meanwhile count from the next clip on.
            start_frame_idx: number of the first frame, from 0.
            max_frame_num_to_track: how many frames after the first to segment, all by default.
            reverse: go backwards from the frame before `start_frame_idx`.
            show_progress_bar: show progress on standard error.

        Yields:
            What was found in each frame.

        Raises:
            UserError: the session has no video or no prompt, or it shall go backwards through a video file.
        """
        streams, prompts = _Streams(), inference_session.prompts
        frames = inference_session.frames(start_frame_idx, max_frame_num_to_track, reverse)
        shown: AbstractContextManager[Callable[..., None] | None] = nullcontext()
        if show_progress_bar:
            shown = counting("segmenting", "frames", inference_session.num_frames)
        done = 0
        with closing(frames), shown as advance:
            while clip := list(itertools.islice(frames, self.segmenter.config.clip_length)):
                outputs = streams.step(self.segmenter, prompts, [image for _, image in clip])
                for (index, _), output in zip(clip, outputs, strict=True):
                    yield replace(output, frame_idx=index)
                done += len(clip)
                if advance is not None:
                    advance(done)


def _moved(options: InferenceOptions, device: str | torch.device | None, dtype: torch.dtype | None) -> InferenceOptions:
    """Options with another device and number format."""
    if device is not None:
        options = replace(options, device=str(device))
    if dtype is not None:
        if dtype not in PRECISIONS:
            raise UserError(f"{dtype}: use one of {', '.join(map(str, PRECISIONS))}")
        options = replace(options, precision=PRECISIONS[dtype])
    return options


def rgb_image(image: Any) -> Image:
    """An image of another library as (H, W, 3) uint8 RGB.

    Args:
        image: PIL image, or an array or a tensor (H, W, 3), (3, H, W) or (1, 3, H, W) of uint8.

    Raises:
        ValueError: it has another shape or type.
    """
    if isinstance(image, Tensor):
        image = image.detach().cpu().numpy()
    elif hasattr(image, "convert"):
        image = image.convert("RGB")
    array = np.asarray(image)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or not array.size:
        raise ValueError(f"an image must be (H, W, 3) or (3, H, W) uint8 RGB, not {array.shape} {array.dtype}")
    return np.ascontiguousarray(array)
