"""Sizes and switches of a model, and the presets.

`docs/method.md` explains each part. Marks: [P] from the paper, [D] decided by this project.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from vlp_rvos.errors import UserError
from vlp_rvos.utils.ranges import SHARE, Range, check_ranges
from vlp_rvos.utils.records import record_from

__all__ = ["INFERENCE_FIELDS", "PRESETS", "AttentionKind", "CaptureKind", "ModelConfig"]

AttentionKind = Literal["cube_frame", "cube", "frame", "full"]
CaptureKind = Literal["plain", "shared"]

#: Fields of `ModelConfig` that change nothing in training.
INFERENCE_FIELDS = frozenset(
    {
        "candidates_in_picture",
        "propose_every",
        "memory_frames",
        "memory_weight",
        "small_size",
        "small_area",
        "min_part",
        "presence_threshold",
        "dense_presence_threshold",
    }
)
#: Longest side of the network input in pixels. Attention takes memory that grows with its fourth power.
MAX_INPUT_SIZE = 2048
#: Largest number of trained parameters, roughly counted; 2**30 of them take 4 GiB.
MAX_PARAMETERS = 2**30


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and switches of everything that is trained. Each part can be switched off for an ablation.

    Attributes:
        width: token width d of every trained module after the backbone.
        clip_length: number of frames T of a training clip. The model accepts clips of any length.
        input_size: side of the square network input in pixels; with `keep_aspect`, its long side.
        keep_aspect: whether the network input keeps the video's aspect ratio; otherwise it is square.
        patch_pool: side, in patches, of the squares of patches that form one token. The mask head works at the
            backbone's own patches again, so a larger input costs the towers nothing. [D]
        language_prompts: number of prompt tokens in every text layer.
        vision_prompts: number of prompt tokens in every vision layer.
        temporal_prompts: number of temporal prompt tokens of every frame.
        prompt_width: token width of the prompt encoder.
        prompt_layers: number of layers of the prompt encoder.
        prompt_heads: number of attention heads of the prompt encoder.
        history: whether tokens from the previous clip enter every frame.
        temporal_capture: whether the temporal prompts attend to all frames after each vision layer.
        capture: form of the temporal capture. "plain" [P] sends the tokens of all frames through the layer a second
            time; "shared" [D] reuses the keys and values of the layer's self-attention, which is cheaper and as
            accurate (docs/experiments.md).
        motion: whether the motion of each patch, measured on frozen features, joins the fusion. Without temporal
            prompts there is no motion either. [D]
        shared_layers: number of first vision layers that run once for all expressions about a video. History and words
            enter after them.
        reference_guided: whether the vision tower attends to the words.
        vlff: whether patches and words attend to each other in the fusion; otherwise they are only projected and added.
        score_map: whether the cosine similarity of patches and sentence in the shared space is computed, as an input of
            the fusion and as an output.
        shallow: whether the reasoning blocks have decoders on the features of earlier vision layers.
        shallow_layers: vision layer whose features each reasoning block decodes, counted from 1, the deepest first.
        str_blocks: number of spatial-temporal reasoning (STR) blocks.
        str_heads: number of attention heads of the fusion and the reasoning blocks.
        attention: kind of self-attention of the reasoning blocks; see `CubeFrameAttention`.
        cube_size: side c of a cube of cube-frame attention, in patches.
        mlp_ratio: hidden width of the reasoning blocks' MLPs, in multiples of `width`.
        head_width: number of channels of the mask head at the patch grid; its finer scales have half as many.
        pyramid: whether the mask head reads the backbone's frozen feature maps of finer scales, where it has such.
        presence: whether the model predicts if the target is in each frame and in the clip.
        presence_width: hidden width of the presence head; 0 stands for `width`.
        candidates: largest number of separate things that are proposed in a frame, among which the words choose; 0
            leaves out the candidate path, and the dense head alone decides. It needs `score_map`, `presence` and a
            backbone that names classes (`mini`). [D]
        candidates_in_picture: the same for a picture, which has no other frame that could show what is missed, at
            inference only and whatever `candidates` is; None for as many as in a frame of a video. A clip of one frame
            at the start of a source counts as a picture, unless `clip_length` is 1. [D]
        refinement: whether the masks of things that are chosen or pointed at are redrawn from the pixels around them;
            it has no effect without candidates. [D]
        propose_every: largest distance between two frames of a clip in which candidates are proposed, at inference
            only. Where little moves, the frames between them take theirs from the frames beside them. 1 proposes in all
            frames. [D]
        tune_backbone: whether the layers of both towers, which the method keeps frozen, are trained as well.
        memory_frames: number of earlier frames whose masks refine the current ones, at inference only; 0 for none. [D]
        memory_weight: weight of each remembered frame, relative to the weight 1 of the current frame. With candidates a
            quarter of it counts.
        small_size: input size, instead of `input_size`, for clips that follow one in which a small object was found, at
            inference only; 0 keeps `input_size`. [D]
        small_area: largest fraction of the frame that a small object covers.
        min_part: smallest area of a connected component of a mask, as a fraction of the mask's largest component.
            Smaller components are dropped, at inference only; 0 keeps all. [D]
        presence_threshold: presence below which the mask of a frame is left empty, at inference only; 0 leaves none
            empty. [D]
        dense_presence_threshold: what `replace` sets `presence_threshold` to where it switches the candidates off: the
            presence that the dense head predicts by itself is another number. None leaves it as it is. [D]
    """

    width: Annotated[int, Range(1, 4096)] = 256
    clip_length: Annotated[int, Range(1, 1000)] = 6
    input_size: Annotated[int, Range(1, MAX_INPUT_SIZE)] = 352
    keep_aspect: bool = False
    patch_pool: Annotated[int, Range(1, 64)] = 1
    language_prompts: Annotated[int, Range(0, 1000)] = 37
    vision_prompts: Annotated[int, Range(0, 1000)] = 10
    temporal_prompts: Annotated[int, Range(0, 1000)] = 4
    prompt_width: Annotated[int, Range(1, 4096)] = 384
    prompt_layers: Annotated[int, Range(1, 64)] = 2
    prompt_heads: Annotated[int, Range(1, 256)] = 6
    history: bool = True
    temporal_capture: bool = True
    capture: CaptureKind = "shared"
    motion: bool = False
    shared_layers: Annotated[int, Range(0, 100)] = 0
    reference_guided: bool = True
    vlff: bool = True
    score_map: bool = True
    shallow: bool = True
    shallow_layers: tuple[Annotated[int, Range(1, 100)], ...] = (10, 8, 4)
    str_blocks: Annotated[int, Range(0, 64)] = 3
    str_heads: Annotated[int, Range(1, 256)] = 8
    attention: AttentionKind = "cube_frame"
    cube_size: Annotated[int, Range(1, 1000)] = 4
    mlp_ratio: Annotated[float, Range(0, 64, above_low=True)] = 4.0
    head_width: Annotated[int, Range(1, 4096)] = 128
    pyramid: bool = True
    presence: bool = True
    presence_width: Annotated[int, Range(0, 4096)] = 0
    candidates: Annotated[int, Range(0, 100)] = 0
    candidates_in_picture: Annotated[int, Range(1, 100)] | None = None
    refinement: bool = False
    propose_every: Annotated[int, Range(1, 1000)] = 3
    tune_backbone: bool = False
    memory_frames: Annotated[int, Range(0, 1000)] = 0
    memory_weight: Annotated[float, Range(0, 10**6, above_low=True)] = 2.0
    small_size: Annotated[int, Range(0, MAX_INPUT_SIZE)] = 0
    small_area: Annotated[float, Range(0, 1, above_low=True)] = 0.04
    min_part: Annotated[float, SHARE] = 0.0
    presence_threshold: Annotated[float, SHARE] = 0.0
    dense_presence_threshold: Annotated[float, SHARE] | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        _require(self.width % self.str_heads == 0, f"width {self.width} must be a multiple of str_heads")
        _require(self.prompt_width % self.prompt_heads == 0, "prompt_width must be a multiple of prompt_heads")
        _require(self.head_width % 16 == 0, f"head_width {self.head_width} must be a multiple of 16")
        # So that a config from outside cannot ask for more than the memory holds.
        blocks = self.str_blocks * self.width**2 * (8 + 2 * self.mlp_ratio)
        parameters = blocks + 12 * self.prompt_layers * self.prompt_width**2
        _require(
            parameters <= MAX_PARAMETERS, f"about {parameters:.2g} trained parameters, more than {MAX_PARAMETERS:.2g}"
        )
        even = self.attention != "cube_frame" or self.str_heads % 2 == 0
        _require(even, f"str_heads is {self.str_heads}: cube_frame attention splits the heads, so it must be even")
        _require(
            not self.candidates or (self.score_map and self.presence),
            f"candidates {self.candidates} need score_map and presence, which are evidence for the choice among them",
        )
        if self.shallow:
            fits = len(self.shallow_layers) == self.str_blocks
            _require(
                fits, f"shallow_layers {self.shallow_layers} must name one layer for each of {self.str_blocks} blocks"
            )

    def frame_size(self, height: int, width: int, multiple: int, side: int | None = None) -> tuple[int, int]:
        """Network input size (H, W) for a video.

        Args:
            height: height of the video in pixels.
            width: width of the video in pixels.
            multiple: divisor of both sides of the result (`Backbone.size_multiple`).
            side: input size to use instead of `input_size`; None for `input_size`.
        """
        side = side or self.input_size
        scale = side / max(height, width)
        sides = (height * scale, width * scale) if self.keep_aspect else (side, side)
        rounded = [max(1, round(length / multiple)) * multiple for length in sides]
        return rounded[0], rounded[1]

    def differing(self, other: ModelConfig) -> dict[str, tuple[Any, Any]]:
        """Field -> both values, for the fields that matter in training."""
        mine, theirs = self.to_dict(), other.to_dict()
        return {
            name: (mine[name], theirs[name])
            for name in mine
            if name not in INFERENCE_FIELDS and mine[name] != theirs[name]
        }

    def replace(self, **changes: Any) -> ModelConfig:
        """A copy with some fields changed.

        Raises:
            UserError: an unknown field or a value that does not fit.
        """
        values = {**self.to_dict(), **changes}
        alone = self.candidates and not values["candidates"] and "presence_threshold" not in changes
        if alone and values["dense_presence_threshold"] is not None:
            values["presence_threshold"] = values["dense_presence_threshold"]
        return ModelConfig.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` gives the same config back."""
        return {**dataclasses.asdict(self), "shallow_layers": list(self.shallow_layers)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """A config from JSON values; what is left out keeps its default.

        Raises:
            UserError: an unknown field, a value of the wrong type, or one that does not fit.
        """
        return record_from(cls, values, "model config")

    @classmethod
    def preset(cls, name: str) -> ModelConfig:
        """The config of a named model: clip-b16, clip-l14, vlmo-b, vlmo-l or mini.

        Raises:
            UserError: no such model.
        """
        if name not in PRESETS:
            raise UserError(f"unknown model '{name}': use one of {', '.join(PRESETS)}")
        return PRESETS[name]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


PRESETS: dict[str, ModelConfig] = {
    "clip-b16": ModelConfig(shared_layers=4),
    "clip-l14": ModelConfig(input_size=336, shallow_layers=(20, 16, 8), shared_layers=8),
    "vlmo-b": ModelConfig(shared_layers=4),
    "vlmo-l": ModelConfig(shallow_layers=(20, 16, 8), shared_layers=8),
    "mini": ModelConfig(
        width=192,
        input_size=512,
        keep_aspect=True,
        patch_pool=2,
        language_prompts=8,
        vision_prompts=4,
        temporal_prompts=2,
        prompt_width=192,
        prompt_heads=4,
        shallow_layers=(3, 2, 1),
        str_heads=6,
        mlp_ratio=0.5,
        head_width=64,
        presence_width=384,
        motion=True,
        memory_frames=4,
        small_size=704,
        min_part=0.25,
    ),
}
