"""The runtime that runs a model with PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.errors import VLPRVOSWarning
from vlp_rvos.models.candidate_path import Identities
from vlp_rvos.models.encoder import EmbeddedFrames, TextFeatures
from vlp_rvos.models.pointed_things import Mark, PointedThing, follow_things
from vlp_rvos.models.vlp_rvos import VLPRVOS, ClipOutput
from vlp_rvos.runtimes.allocator import keep_freed_memory
from vlp_rvos.runtimes.devices import check_precision, find_device
from vlp_rvos.runtimes.int8 import companion_dtype, quantize
from vlp_rvos.runtimes.names import Precision
from vlp_rvos.runtimes.number_formats import multiplies
from vlp_rvos.runtimes.runtime import ClipPrediction, Runtime

__all__ = ["ClipState", "TorchRuntime", "clip_prediction"]

#: Time of embedding frames with candidates, relative to that without.
PROPOSING_COST = 2.0

#: Name of the history among the tensors of a packed state; the others are the fields of `Identities`.
HISTORY = "history"

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class ClipState(NamedTuple):
    """What clips so far have left for the next one.

    Attributes:
        history: see `ClipOutput`.
        identities: see `ClipOutput`.
        things: what is remembered of the things that were pointed at.
    """

    history: Tensor | None = None
    identities: list[Identities] | None = None
    things: tuple[PointedThing, ...] = ()


def clip_prediction(out: ClipOutput) -> ClipPrediction:
    """What a model says of a clip of one video, as a runtime's prediction."""
    features = None if out.correspondence_features is None else out.correspondence_features[0]
    share = out.things[0].smallest_share() if out.things else None
    state = ClipState(out.history, out.identities)
    return ClipPrediction(out.mask_logits, out.presence_logits, state, features, smallest_share=share)


class TorchRuntime(Runtime):
    """A model that PyTorch runs.

    Args:
        model: the model; it is put into evaluation mode.
        device: the device to move the model to, by a name for `find_device`; None leaves the model where it is.
        precision: "fp32", or autocast to "bf16" or "fp16", with a `VLPRVOSWarning` where the device has no instructions
            for it. "auto" is bf16 on CUDA GPUs and on CPUs that multiply it, otherwise fp32. CPUs also have "int8": the
            large matrix products in 8-bit integers, the rest in bf16 if the processor multiplies it.

    Raises:
        UserError: the device is not available, or the precision is unknown or not available on the device.
    """

    def __init__(self, model: VLPRVOS, device: str | None = None, precision: Precision = "auto") -> None:
        self.device = next(model.parameters()).device if device is None else find_device(device)
        check_precision(precision, self.device)
        self.precision = precision
        self.model = model.to(self.device).eval()
        self.config, self.size_multiple = model.config, model.backbone.size_multiple
        self.can_point = model.candidate_path is not None
        if self.device.type == "cpu":
            keep_freed_memory()
        if self.device.type == "cpu" and torch.backends.openmp.is_available():
            self.embedding_cost = model.backbone.embedding_cost * (PROPOSING_COST if model.candidate_path else 1)
        if precision == "int8":
            self.model, self.dtype = quantize(self.model), companion_dtype()
        else:
            self.dtype = _dtype(precision, self.device)

    @torch.inference_mode()
    def encode_text(self, expressions: Sequence[str]) -> Any:
        with self.autocast():
            text = self.model.encode_text(self.model.backbone.tokenize(expressions).to(self.device))
        return text.without_redundant_mask()

    @torch.inference_mode()
    def embed(self, frames: Tensor, proposed: Sequence[int] | None = None) -> EmbeddedFrames:
        with self.autocast():
            return self.model.embed(frames, proposed)

    @torch.inference_mode()
    def describe_drawn(self, frame: Tensor, masks: Tensor) -> Tensor:
        with self.autocast():
            return self.model.describe_drawn(frame, masks.to(self.device))

    @torch.inference_mode()
    def step(
        self,
        frames: Tensor | Sequence[EmbeddedFrames],
        text: Any,
        state: Any = None,
        pointed: int = 0,
        marks: Sequence[Mark] = (),
    ) -> ClipPrediction:
        state = ClipState() if state is None else state
        embedded: Tensor | EmbeddedFrames
        if not isinstance(frames, Tensor):
            embedded = EmbeddedFrames.join(frames)
        elif pointed:
            embedded = self.embed(frames)
        else:
            embedded = frames
        words = None if text is None else self._predict(embedded, text, state)
        if not pointed:
            assert words is not None
            return words
        assert isinstance(embedded, EmbeddedFrames)
        assert embedded.things is not None
        things = [frame for frame in embedded.things[0] if frame is not None]
        if len(things) < len(embedded.things[0]):
            raise ValueError("pointed things are followed through the candidates of every frame")
        followed = follow_things(things, marks, state.things or (PointedThing(),) * pointed)
        assert self.model.candidate_path is not None
        of_frames = followed.mask_logits.transpose(0, 1)
        with self.autocast():
            redrawn = self.model.candidate_path.redraw(of_frames, embedded.surroundings_of(0)).transpose(0, 1)
        for mark in marks:
            # What the user drew stays as it was drawn.
            if mark.drawn:
                redrawn[mark.thing, mark.frame] = followed.mask_logits[mark.thing, mark.frame]
        masks = F.interpolate(redrawn, embedded.size, mode="bilinear", align_corners=False)
        if words is None:
            features = embedded.correspondence_features[0].unflatten(1, embedded.grid)
            found = ClipPrediction(masks, followed.presence_logits, ClipState(things=followed.things), features)
        else:
            assert words.presence_logits is not None
            assert isinstance(words.state, ClipState)
            found = replace(
                words,
                mask_logits=torch.cat([words.mask_logits, masks]),
                presence_logits=torch.cat([words.presence_logits, followed.presence_logits]),
                state=words.state._replace(things=followed.things),
            )
        return replace(found, missed=followed.missed)

    def _predict(self, frames: Tensor | EmbeddedFrames, text: TextFeatures, state: ClipState) -> ClipPrediction:
        """The prediction for expressions."""
        video_of = torch.zeros(len(text), dtype=torch.int64, device=self.device)
        carried = (text, state.history, video_of, state.identities)
        with self.autocast():
            if isinstance(frames, Tensor):
                out = self.model(frames, *carried)
            else:
                out = self.model.predict_embedded(frames, *carried)
        return clip_prediction(out)

    def pack_state(self, state: Any) -> dict[str, Tensor]:
        history, identities, things = ClipState() if state is None else state
        if things:
            raise ValueError("the state of things that are pointed at cannot be stored")
        tensors = {} if history is None else {HISTORY: history}
        # A runtime runs one video at a time.
        for one in identities or ():
            tensors |= {field.name: getattr(one, field.name) for field in fields(one)}
        return {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}

    def unpack_state(self, tensors: Mapping[str, Tensor]) -> Any:
        if not tensors:
            return None
        own = {name: tensor.to(self.device) for name, tensor in tensors.items()}
        history = own.pop(HISTORY, None)
        if own and own.keys() != {field.name for field in fields(Identities)}:
            raise ValueError(f"a state of tensors {', '.join(sorted(tensors))}")
        return ClipState(history, [Identities(**own)] if own else None)

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the model computes in the runtime's precision."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    if precision == "auto":
        faster = device.type in ("cuda", "cpu") and multiplies(torch.bfloat16, device)
        return torch.bfloat16 if faster else torch.float32
    dtype = DTYPES[precision]
    if dtype != torch.float32 and not multiplies(dtype, device):
        message = f"precision {precision!r}: {device} has no instructions for it, so it is many times slower than fp32"
        warnings.warn(VLPRVOSWarning(message), stacklevel=3)
    return dtype
