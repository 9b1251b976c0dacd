"""What a model is made of, and the presets. `docs/method.md` says what each part is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from vlp_rvos.errors import UserError

__all__ = ["PRESETS", "AttentionKind", "CaptureKind", "ModelConfig"]

AttentionKind = Literal["cube_frame", "cube", "frame", "full"]
CaptureKind = Literal["plain", "shared"]


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and switches of everything that is trained. Each part can be switched off for an ablation.

    Attributes:
        width: token width d of everything after the backbone.
        clip_length: frames T that a clip has in training; the model takes any number.
        input_size: pixels of the input's side, or of its long side with `keep_aspect`.
        keep_aspect: keep the video's aspect ratio instead of making the input square.
        patch_pool: side, in patches, of the squares that are one token from the vision tower to the mask head, whose
            convolutions are at the backbone's own patches again: a larger input at the same cost. [D]
        language_prompts: prompt tokens in every text layer.
        vision_prompts: prompt tokens in every vision layer.
        temporal_prompts: prompt tokens that travel along every frame of the clip.
        prompt_width: width of the prompt encoder.
        prompt_layers: its layers.
        prompt_heads: its attention heads.
        history: tokens from the previous clip enter every frame.
        temporal_capture: temporal prompts gather from all frames after each vision layer.
        capture: "plain" [P] takes the frames' tokens through the layer once more; "shared" [D] uses the keys and values
            that its self-attention has just computed, which is cheaper and as good (docs/experiments.md).
        motion: where each patch moves is read off the frozen features and joins the fusion. It belongs to the temporal
            prompts: without them there is none. [D]
        shared_layers: vision layers, counted from the first, that run once for all expressions about a video: history
            and words enter after them.
        reference_guided: frame tokens attend to the words inside the vision tower.
        vlff: dual propagation and fusion; without it patches, words and sentence are only projected and added.
        score_map: cosine of patches and sentence in the shared space, as an input of the fusion and an output.
        shallow: decoders on earlier vision layers in the reasoning blocks.
        shallow_layers: which ones, counted from 1, one per reasoning block, deepest first.
        str_blocks: spatial-temporal reasoning blocks.
        str_heads: attention heads at width d.
        attention: of the reasoning blocks.
        cube_size: patches c on a side of a cube.
        mlp_ratio: hidden width of the reasoning blocks' MLPs, in multiples of d.
        head_width: channels of the mask head at the patch grid; half of it at the finer scales.
        pyramid: the mask head uses the backbone's finer frozen maps, where it has them.
        presence: predict whether the target is in the frame and in the clip.
        presence_width: hidden width of the head for it; 0 is `width`.
        tune_backbone: train the layers of both towers too, which the method keeps frozen.
        memory_frames: frames of earlier clips whose masks are carried along, in use only; 0 for none. [D]
        memory_weight: of each of them, beside 1 of the frame itself.
        small_size: input size, in place of `input_size`, of clips after one in which something small was found, in use
            only; 0 for none. [D]
        small_area: share of the frame that such a thing covers at most.
        min_part: a connected part of a mask with less than this share of its largest part is dropped, in use only; 0
            keeps all parts. [D]
    """

    width: int = 256
    clip_length: int = 6
    input_size: int = 352
    keep_aspect: bool = False
    patch_pool: int = 1
    language_prompts: int = 37
    vision_prompts: int = 10
    temporal_prompts: int = 4
    prompt_width: int = 384
    prompt_layers: int = 2
    prompt_heads: int = 6
    history: bool = True
    temporal_capture: bool = True
    capture: CaptureKind = "shared"
    motion: bool = False
    shared_layers: int = 0
    reference_guided: bool = True
    vlff: bool = True
    score_map: bool = True
    shallow: bool = True
    shallow_layers: tuple[int, ...] = (10, 8, 4)
    str_blocks: int = 3
    str_heads: int = 8
    attention: AttentionKind = "cube_frame"
    cube_size: int = 4
    mlp_ratio: float = 4.0
    head_width: int = 128
    pyramid: bool = True
    presence: bool = True
    presence_width: int = 0
    tune_backbone: bool = False
    memory_frames: int = 0
    memory_weight: float = 2.0
    small_size: int = 0
    small_area: float = 0.04
    min_part: float = 0.0

    def __post_init__(self) -> None:
        sizes = ("width", "clip_length", "input_size", "patch_pool", "str_heads", "cube_size", "head_width")
        prompt_sizes = ("prompt_width", "prompt_layers", "prompt_heads")
        counts = ("language_prompts", "vision_prompts", "temporal_prompts", "str_blocks", "shared_layers")
        for name in (*sizes, *prompt_sizes, "mlp_ratio", "memory_weight", "small_area"):
            _require(getattr(self, name) > 0, f"{name} is {getattr(self, name)}: it must be positive")
        for name in (*counts, "presence_width", "memory_frames", "small_size"):
            _require(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}: it must not be negative")
        _require(0 <= self.min_part <= 1, f"min_part is {self.min_part}: it is a share from 0 to 1")
        _require(self.width % self.str_heads == 0, f"width {self.width} must be a multiple of str_heads")
        _require(self.prompt_width % self.prompt_heads == 0, "prompt_width must be a multiple of prompt_heads")
        _require(self.head_width % 16 == 0, f"head_width {self.head_width} must be a multiple of 16")
        for name, choices in (("attention", get_args(AttentionKind)), ("capture", get_args(CaptureKind))):
            value = getattr(self, name)
            _require(value in choices, f"{name} '{value}' is unknown: use one of {', '.join(choices)}")
        even = self.attention != "cube_frame" or self.str_heads % 2 == 0
        _require(even, f"str_heads is {self.str_heads}: cube_frame attention splits the heads, so it must be even")
        layers = self.shallow_layers
        _require(all(type(k) is int and k > 0 for k in layers), f"shallow_layers {layers} must count layers from 1")
        if self.shallow:
            fits = len(self.shallow_layers) == self.str_blocks
            _require(
                fits, f"shallow_layers {self.shallow_layers} must name one layer for each of {self.str_blocks} blocks"
            )

    def frame_size(self, height: int, width: int, multiple: int, side: int | None = None) -> tuple[int, int]:
        """Network input size (H, W) for a video of `height` x `width` pixels.

        Args:
            height: of the video, pixels.
            width: of the video, pixels.
            multiple: both sides of the result are multiples of it (`Backbone.size_multiple`).
            side: in place of `input_size`.
        """
        side = side or self.input_size
        scale = side / max(height, width)
        sides = (height * scale, width * scale) if self.keep_aspect else (side, side)
        rounded = [max(1, round(length / multiple)) * multiple for length in sides]
        return rounded[0], rounded[1]

    def replace(self, **changes: Any) -> ModelConfig:
        """A copy with some fields changed.

        Raises:
            UserError: an unknown field or a value that does not fit.
        """
        return ModelConfig.from_dict({**self.to_dict(), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` gives the same config back."""
        return {**dataclasses.asdict(self), "shallow_layers": list(self.shallow_layers)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """A config from JSON values; what is left out keeps its default.

        Raises:
            UserError: an unknown field, a value of the wrong type, or one that does not fit.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(cls)}
        unknown = sorted(values.keys() - defaults.keys())
        _require(not unknown, f"unknown fields {', '.join(unknown)}: the known ones are {', '.join(defaults)}")
        checked = {}
        for name, value in values.items():
            default = defaults[name]
            if isinstance(default, tuple) and isinstance(value, list):
                value = tuple(value)
            if isinstance(default, float) and type(value) is int:
                value = float(value)
            expected = type(default).__name__
            _require(type(value) is type(default), f"{name} is {value!r}: it must be of type {expected}")
            checked[name] = value
        return cls(**checked)

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
        raise UserError(f"model config: {message}")


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
