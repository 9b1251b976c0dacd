"""What the method costs on top of its frozen tower, and what else a user or researcher waits for, as ratios.

All forms of a comparison alternate in one process on the same frames, so that what else the machine does hits them
alike; a ratio is that of medians. Weights are random: they change no cost.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones import random_backbone
from vlp_rvos.models.backbones.mini import MiniBackbone
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.losses import clip_losses

__all__ = ["Overhead", "alternate", "measure_overhead"]

EXPRESSIONS = ("the dog that jumps over the fence", "the red car on the left")


@dataclass(frozen=True)
class Overhead:
    """Ratios, and what they were measured with. All times are medians in seconds per clip.

    Attributes:
        model, frames, height, width, threads, rounds, precision: the setting; frames of one clip.
        seconds: what was timed -> seconds.
        model_over_tower: whole model for one expression / its bare frozen vision tower (`mini`: its bare stem).
        bf16_over_fp32: the whole model in the two formats; None where the run is in bf16 itself.
        second_expression_over_first: what one more expression about the same frames costs.
        training_step_over_forward: forward and backward of two clips / their forward; None where it was left out.
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
        """Plain values."""
        return dict(vars(self))


def alternate(forms: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each of several forms, run in turns after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    for round_ in range(rounds + 1):
        for name, run in forms.items():
            begun = time.perf_counter()
            run()
            if round_:
                times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in times.items()}


def measure_overhead(
    name: str,
    *,
    precision: Literal["fp32", "bf16"] = "fp32",
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    rounds: int = 7,
    training: bool = True,
) -> Overhead:
    """Measure on the CPU.

    Args:
        name: of a model preset.
        precision: of the model and the tower.
        frames: of a clip; the preset's by default.
        size: (H, W) of the input; by default the preset's, for a video of 16:9.
        rounds: timed runs of each form.
        training: time a training step too.

    Raises:
        UserError: an unknown model, no rounds, or a size that the model cannot take.
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
    seconds = alternate(forms, rounds)
    if training:
        step, forward = _training(model, clip, precision)
        seconds |= alternate({"forward of two clips": forward, "training step": step}, max(1, rounds // 2))
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
    """A training step of two clips (forward, loss, backward, AdamW), and the forward of the same two alone."""
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
