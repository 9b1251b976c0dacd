"""The runtime that runs an exported model with ONNX Runtime or OpenVINO, on the CPU."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.pointed_things import Mark
from vlp_rvos.runtimes.artifact import check_files, graph_path, read_manifest
from vlp_rvos.runtimes.exported_tokenizer import open_tokenizer
from vlp_rvos.runtimes.names import ExportFormat, Precision
from vlp_rvos.runtimes.runtime import ClipPrediction, Runtime
from vlp_rvos.utils.extras import require_installed

__all__ = ["PACKAGES", "ExportedRuntime", "resolve_precision"]

Arrays = dict[str, npt.NDArray[Any]]


class Graph(ABC):
    """An opened graph: named arrays in, named arrays out. Given arrays that the graph does not know are ignored.

    Args:
        path: the file that opens the graph.
        threads: number of threads to run it with.
        precision: the number format to compute in, one of `precisions`.

    Attributes:
        precisions: the number formats that graphs of this kind compute in, the default first.
    """

    precisions: tuple[Precision, ...] = ("fp32",)

    @abstractmethod
    def __init__(self, path: Path, threads: int, precision: Precision) -> None: ...

    @abstractmethod
    def __call__(self, given: Mapping[str, npt.NDArray[Any]]) -> Arrays: ...


class OnnxGraph(Graph):
    """A graph that ONNX Runtime runs."""

    def __init__(self, path: Path, threads: int, precision: Precision = "fp32") -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Between two clips, decoding and drawing need the processor: threads must not wait actively.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]

    def __call__(self, given: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        values = self._session.run(self._outputs, {name: given[name] for name in self._inputs})
        return dict(zip(self._outputs, values, strict=True))


class OpenVinoGraph(Graph):
    """A graph that OpenVINO runs."""

    precisions = ("fp32", "bf16")

    def __init__(self, path: Path, threads: int, precision: Precision = "fp32") -> None:
        import openvino

        # By default OpenVINO may compute in bf16 on processors that support it.
        options = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Decoding and drawing need cores too, and not always the same ones.
            "ENABLE_CPU_PINNING": False,
        }
        self._model = openvino.Core().compile_model(str(path), "CPU", options)
        self._inputs = [port.any_name for port in self._model.inputs]
        self._outputs = [port.any_name for port in self._model.outputs]

    def __call__(self, given: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        values = self._model({name: given[name] for name in self._inputs})
        return {name: values[name] for name in self._outputs}


GRAPHS: dict[ExportFormat, type[Graph]] = {"onnx": OnnxGraph, "openvino": OpenVinoGraph}
#: The package that runs the graphs of each format.
PACKAGES: dict[ExportFormat, str] = {"onnx": "onnxruntime", "openvino": "openvino"}
#: Names of outputs in graphs that earlier versions exported -> what they are called now.
RENAMED_OUTPUTS = {"matching": "correspondence_features"}
#: Name of the carried state, as an input of the clip graph and as a stored tensor.
STATE = "state"


class ExportedRuntime(Runtime):
    """An exported model, run on the CPU with as many threads as PyTorch would use.

    Args:
        folder: a folder that `vlp-rvos export` wrote.
        precision: "fp32" or "auto", which is the same; OpenVINO also has "bf16", which is faster on processors that
            support it.

    Raises:
        UserError: the folder is not an exported model or was changed, a package to run it is not installed, or the
            runtime does not have the precision.
    """

    def __init__(self, folder: Path, precision: Precision = "auto") -> None:
        manifest = read_manifest(folder)
        check_files(folder, manifest)
        require_installed(PACKAGES[manifest.runtime], extra="export")
        self.config = ModelConfig.from_dict(manifest.config)
        self.size_multiple = manifest.size_multiple
        self.device = torch.device("cpu")
        self._max_words = manifest.max_words
        self._tokenize = open_tokenizer(*manifest.tokenizer)
        kind, threads = GRAPHS[manifest.runtime], torch.get_num_threads()
        precision = resolve_precision(manifest.runtime, precision)
        self._text = kind(graph_path(folder, "text", manifest.runtime), threads, precision)
        self._clip = kind(graph_path(folder, "clip", manifest.runtime), threads, precision)

    def encode_text(self, expressions: Sequence[str]) -> Arrays:
        batch = self._tokenize(expressions, self._max_words)
        mask = batch.mask.numpy()
        return {"mask": mask, **self._text({"ids": batch.ids.numpy(), "mask": mask})}

    def step(
        self,
        frames: Tensor | Sequence[Any],
        text: Arrays,
        state: npt.NDArray[np.float32] | None = None,
        pointed: int = 0,
        marks: Sequence[Mark] = (),
    ) -> ClipPrediction:
        assert isinstance(frames, Tensor)
        assert not pointed
        # The text graph gives the first state of a video; models without history have no state.
        carried = {} if state is None else {STATE: state}
        given = self._clip({**text, **carried, "frames": frames.numpy()})
        out = {RENAMED_OUTPUTS.get(name, name): array for name, array in given.items()}
        presence = out.get("presence_logits")
        return ClipPrediction(
            torch.from_numpy(out["mask_logits"]),
            None if presence is None else torch.from_numpy(presence),
            out.get("next_state"),
            torch.from_numpy(out["correspondence_features"]),
        )

    def pack_state(self, state: npt.NDArray[np.float32] | None) -> dict[str, Tensor]:
        return {} if state is None else {STATE: torch.from_numpy(np.ascontiguousarray(state))}

    def unpack_state(self, tensors: Mapping[str, Tensor]) -> npt.NDArray[np.float32] | None:
        if tensors.keys() - {STATE}:
            raise ValueError(f"a state of tensors {', '.join(sorted(tensors))}")
        return tensors[STATE].numpy() if tensors else None


def resolve_precision(runtime: ExportFormat, precision: Precision) -> Precision:
    """The precision that "auto" stands for, or the given one.

    Raises:
        UserError: the runtime does not have the precision.
    """
    known = GRAPHS[runtime].precisions
    if precision not in ("auto", *known):
        raise UserError(f"precision {precision!r}: {runtime} models run in {' or '.join(known)}")
    return known[0] if precision == "auto" else precision
