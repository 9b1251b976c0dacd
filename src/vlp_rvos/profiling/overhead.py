"""How much longer the whole method takes than its bare frozen vision tower, and other ratios that users wait for.

Everything that is compared runs in turns in one process on the same frames; ratios are those of median times. Weights
are random, because they do not change the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones import random_backbone
from vlp_rvos.models.backbones.mini import MiniBackbone
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.profiling.timing import time_alternately
from vlp_rvos.training.losses import clip_losses

__all__ = ["Overhead", "measure_overhead"]

EXPRESSIONS = ("the dog that jumps over the fence", "the red car on the left")


@dataclass(frozen=True)
class Overhead:
    """Ratios of times, and the settings that they were measured with.

    Attributes:
        model: name of the model preset.
        frames: number of frames of a clip.
        height: height of the network input in pixels.
        width: width of the network input in pixels.
        threads: number of CPU threads of PyTorch.
        rounds: number of timed runs.
        precision: number format of model and tower, "fp32" or "bf16".
        seconds: name of what was timed -> median seconds.
        model_over_tower: time of the whole model for one expression, divided by that of its bare frozen vision tower
            (for `mini`, of its convolutional stem).
        bf16_over_fp32: time of the whole model in bfloat16, divided by that in float32; None if `precision` is "bf16".
        second_expression_over_first: extra time for a second expression about the same frames, divided by the time of
            the model for one.
        training_step_over_forward: time of a training step of two clips, divided by that of their forward passes; None
            if training was not timed.
    """

    model: str
    frames: int
    height: int
    width: int
    threads: int
    rounds: int
    precision: str
    seconds: dict[str, float]
    model_over_tower: float
    bf16_over_fp32: float | None
    second_expression_over_first: float
    training_step_over_forward: float | None

    def to_json(self) -> dict[str, object]:
        """All fields as plain values."""
        return dict(vars(self))


def measure_overhead(
    name: str,
    *,
    precision: Literal["fp32", "bf16"] = "fp32",
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    rounds: int = 7,
    training: bool = True,
) -> Overhead:
    """Measure a model on the CPU.

    Args:
        name: name of a model preset.
        precision: number format of the model and the tower.
        frames: number of frames of a clip; None for the preset's.
        size: (H, W) of the network input in pixels; None for the preset's input size at an aspect ratio of 16:9.
        rounds: number of timed runs.
        training: whether to time a training step too.

    Raises:
        UserError: an unknown model, less than one round, or a size that the model does not accept.
    """
    if rounds < 1:
        raise UserError(f"rounds is {rounds}: it must be at least 1")
    config = ModelConfig.preset(name)
    torch.manual_seed(0)
    model = VLPRVOS(random_backbone(name), config).eval()
    backbone, length = model.backbone, frames or config.clip_length
    height, width = size or config.frame_size(9, 16, backbone.size_multiple)
    try:
        backbone.check_size(height, width)
    except ValueError as error:
        raise UserError(str(error)) from error
    clip = torch.rand(1, length, 3, height, width)
    images = backbone.normalize(clip[0])

    def tower() -> Tensor:
        if isinstance(backbone, MiniBackbone):
            return backbone.stem.forward_features(images.contiguous(memory_format=torch.channels_last))[32]
        return backbone.encode_image(images)

    with torch.inference_mode():
        one, two = (
            model.encode_text(backbone.tokenize(list(EXPRESSIONS[:count]))).without_redundant_mask() for count in (1, 2)
        )
        history = model(clip, one).history

    def inference(run: Callable[[], object], dtype: str) -> Callable[[], object]:
        def wrapped() -> None:
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
                run()

        return wrapped

    forms = {
        "tower": inference(tower, precision),
        "model": inference(lambda: model(clip, one, history), precision),
        "model, two expressions": inference(lambda: model(clip, two, torch.cat([history, history])), precision),
    }
    if precision == "fp32":
        forms["model in bf16"] = inference(lambda: model(clip, one, history), "bf16")
    seconds = time_alternately(forms, rounds)
    if training:
        step, forward = _training(model, clip, precision)
        seconds |= time_alternately({"forward of two clips": forward, "training step": step}, max(1, rounds // 2))
    return Overhead(
        model=name,
        frames=length,
        height=height,
        width=width,
        threads=torch.get_num_threads(),
        rounds=rounds,
        precision=precision,
        seconds=seconds,
        model_over_tower=seconds["model"] / seconds["tower"],
        bf16_over_fp32=seconds["model in bf16"] / seconds["model"] if precision == "fp32" else None,
        second_expression_over_first=seconds["model, two expressions"] / seconds["model"] - 1,
        training_step_over_forward=(seconds["training step"] / seconds["forward of two clips"] if training else None),
    )


def _training(model: VLPRVOS, clip: Tensor, precision: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """Two functions: a training step of two clips (forward, loss, backward, AdamW), and their forward passes alone."""
    optimizer = torch.optim.AdamW(list(model.trained_parameters()), lr=1e-5, fused=True)
    text = model.backbone.tokenize([EXPRESSIONS[0]])
    masks = torch.rand(1, *clip.shape[1:2], *clip.shape[3:]) > 0.8

    def clips(learn: bool) -> None:
        history = None
        for _ in range(2):
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                output = model(clip, text, history)
            if learn:
                clip_losses(output, masks).total.backward()
            history = output.history.detach()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        clips(learn=True)
        optimizer.step()

    def forward() -> None:
        with torch.no_grad():
            clips(learn=False)

    return step, forward
