"""What runs a model: PyTorch itself, or a runtime for an exported copy of it (`vlp_rvos.export`).

Shapes: E expressions, T frames of a clip, (h, w) network input size in pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from vlp_rvos.config import ModelConfig
from vlp_rvos.encoding import EmbeddedFrames
from vlp_rvos.errors import UserError
from vlp_rvos.model import VLPRVOS

__all__ = ["ClipPrediction", "Precision", "Runtime", "RuntimeName", "TorchRuntime", "load_runtime"]

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
RuntimeName = Literal["auto", "torch", "onnx", "openvino"]


@dataclass(frozen=True)
class ClipPrediction:
    """What a runtime says about one clip.

    Attributes:
        mask_logits: (E, T, h, w) float32.
        presence_logits: (E, T) float32, or None where the model does not predict presence.
        state: for `Runtime.step` on the next clip of the same video.
        matching: (T, h, w, C) features of the patches by which each is found again in other frames; None where the
            runtime gives none, so that no masks can be remembered.
    """

    mask_logits: Tensor
    presence_logits: Tensor | None
    state: object
    matching: Tensor | None = None


class Runtime(ABC):
    """A model that is ready to run on one clip after the other.

    Attributes:
        config: of the model.
        size_multiple: the sides of the frames must be multiples of it.
        device: where `step` wants its frames.
        embedding_cost: of `embed`, where threads can do it at the same time, against the rest of `step` for one
            expression; 0 where it is not there, or not worth it.
    """

    config: ModelConfig
    size_multiple: int
    device: torch.device
    embedding_cost: float = 0.0

    @abstractmethod
    def encode_text(self, expressions: Sequence[str]) -> Any:
        """E expressions -> what `step` needs to know of them; once for a video.

        Raises:
            UserError: an expression is empty.
        """

    def embed(self, frames: Tensor) -> Any:
        """What `step` computes first: of each frame by itself, whatever the words and the frames before.

        Args:
            frames: (1, T, 3, h, w) RGB in [0, 1].
        """
        raise NotImplementedError

    @abstractmethod
    def step(self, frames: Tensor | Sequence[Any], text: Any, state: Any = None) -> ClipPrediction:
        """Segment one clip.

        Args:
            frames: (1, T, 3, h, w) RGB in [0, 1], T at most `config.clip_length`; or what `embed` made of them, in
                any number of parts.
            text: from `encode_text`.
            state: of the previous clip's prediction, None for the first clip of a video.
        """


class TorchRuntime(Runtime):
    """PyTorch.

    Args:
        model: it is put into evaluation mode.
        device: where to put it ("auto", "cpu", "cuda", "cuda:1", "mps"); None leaves it where it is.
        precision: "fp32", or autocast to "bf16" or "fp16"; "auto" is bf16 on GPUs that have it, otherwise fp32. On a
            CPU also "int8": the large matrix products in 8-bit integers, the rest in bf16 where the processor has it.

    Raises:
        UserError: a precision that is unknown or that the device does not have, or a device that is not there.
    """

    def __init__(self, model: VLPRVOS, device: str | None = None, precision: Precision = "auto") -> None:
        self.device = next(model.parameters()).device if device is None else find_device(device)
        check_precision(precision, self.device)
        self.model = model.to(self.device).eval()
        self.config, self.size_multiple = model.config, model.backbone.size_multiple
        if self.device.type == "cpu" and torch.backends.openmp.is_available():
            self.embedding_cost = model.backbone.embedding_cost
        if precision == "int8":
            # Only here: nothing else in the package needs it.
            from vlp_rvos import quantization

            self.model, self.dtype = quantization.quantized(self.model), quantization.companion_dtype()
        else:
            self.dtype = _dtype(precision, self.device)

    @torch.inference_mode()
    def encode_text(self, expressions: Sequence[str]) -> Any:
        with self._autocast():
            text = self.model.encode_text(self.model.backbone.tokenize(expressions).to(self.device))
        return text.without_idle_mask()

    @torch.inference_mode()
    def embed(self, frames: Tensor) -> EmbeddedFrames:
        with self._autocast():
            return self.model.embed(frames)

    @torch.inference_mode()
    def step(self, frames: Tensor | Sequence[EmbeddedFrames], text: Any, state: Any = None) -> ClipPrediction:
        video_of = torch.zeros(len(text), dtype=torch.int64, device=self.device)
        with self._autocast():
            if isinstance(frames, Tensor):
                out = self.model(frames, text, state, video_of)
            else:
                out = self.model.predict_embedded(EmbeddedFrames.join(frames), text, state, video_of)
        matching = None if out.matching is None else out.matching[0]
        return ClipPrediction(out.mask_logits, out.presence_logits, out.history, matching)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)


def load_runtime(
    model: str | Path = "mini",
    runtime: RuntimeName = "auto",
    device: str = "auto",
    precision: Precision = "auto",
    overrides: Mapping[str, object] | None = None,
) -> Runtime:
    """Load a model into what is to run it.

    Args:
        model: name of a shipped model, path of a checkpoint, or a folder that `vlp-rvos export` wrote.
        runtime: "auto" is what an exported folder was exported for. Where a name or a checkpoint is to run on another
            runtime than PyTorch, it is exported on first use and kept in the user's cache; "auto" runs what is kept
            there (for OpenVINO rather than ONNX) on the CPU in fp32: the same masks faster; and otherwise PyTorch.
        device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps"; exported models run on the CPU.
        precision: see `TorchRuntime`; exported models run in fp32, those for OpenVINO also in bf16.
        overrides: `ModelConfig` fields in place of the model's own.

    Raises:
        UserError: unknown model or runtime, weights or files that do not fit, a device that is not there.
    """
    from vlp_rvos.export.folder import is_exported

    if runtime not in get_args(RuntimeName):
        raise UserError(f"unknown runtime {runtime!r}: use {', '.join(get_args(RuntimeName))}")
    target = find_device(device)
    check_precision(precision, target)
    exported = is_exported(model)
    if runtime == "auto" and not exported and target.type == "cpu":
        from vlp_rvos.export.runtimes import load_kept

        if (kept := load_kept(model, precision, overrides)) is not None:
            return kept
    if runtime in ("auto", "torch") and not exported:
        # Only here, so that a runtime around a model of one's own needs no checkpoint code.
        from vlp_rvos import checkpoint

        return TorchRuntime(checkpoint.load_model(model, overrides, target), precision=precision)
    from vlp_rvos.export.runtimes import load_exported

    if device not in ("auto", "cpu"):
        raise UserError(f"device {device!r}: an exported model runs on the CPU; leave --device out")
    return load_exported(model, runtime, precision, overrides)


def find_device(name: str) -> torch.device:
    """The device of a name, see `load_runtime`.

    Raises:
        UserError: an unknown name, or a device that is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdecimal()):
        raise UserError(f"unknown device {name!r}: use auto, cpu, cuda, cuda:<number> or mps")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {name!r}: no CUDA GPU is available here; use --device cpu")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise UserError(f"device {name!r}: there are only {torch.cuda.device_count()} CUDA GPUs, counted from 0")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"device {name!r}: no Apple GPU is available here; use --device cpu")
    return torch.device(name)


def check_precision(precision: str, device: torch.device) -> None:
    """Raise a `UserError` where a precision is unknown, or not to be had on a device."""
    if precision not in get_args(Precision):
        raise UserError(f"unknown precision {precision!r}: use {', '.join(get_args(Precision))}")
    if precision == "int8" and device.type != "cpu":
        raise UserError(f"precision 'int8' is for the CPU, this would run on {device}; use bf16, or --device cpu")


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    if precision != "auto":
        return DTYPES[precision]
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
