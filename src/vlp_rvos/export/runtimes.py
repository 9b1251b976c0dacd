"""Running an exported model: the same clip after clip as in PyTorch, by ONNX Runtime or OpenVINO."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vlp_rvos.config import ModelConfig
from vlp_rvos.errors import UserError
from vlp_rvos.export.folder import ExportFormat, check_files, graph_path, is_exported, read_manifest
from vlp_rvos.export.words import open_tokenizer
from vlp_rvos.runtime import ClipPrediction, Precision, Runtime, RuntimeName

__all__ = ["ExportedRuntime", "load_exported", "load_kept", "require"]

Arrays = dict[str, npt.NDArray[Any]]


class Graph(ABC):
    """An opened graph: named arrays in, named arrays out. It takes from the given arrays those that it knows.

    Args:
        path: of its file.
        threads: to run it with.
        precision: one of `precisions`.
    """

    #: that it can compute in, the first is the default
    precisions: tuple[Precision, ...] = ("fp32",)

    @abstractmethod
    def __init__(self, path: Path, threads: int, precision: Precision) -> None: ...

    @abstractmethod
    def __call__(self, given: Mapping[str, npt.NDArray[Any]]) -> Arrays: ...


class OnnxGraph(Graph):
    """ONNX Runtime on the CPU."""

    def __init__(self, path: Path, threads: int, precision: Precision = "fp32") -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Between two clips the processor belongs to decoding and drawing, not to waiting threads.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]

    def __call__(self, given: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        values = self._session.run(self._outputs, {name: given[name] for name in self._inputs})
        return dict(zip(self._outputs, values, strict=True))


class OpenVinoGraph(Graph):
    """OpenVINO on the CPU."""

    precisions = ("fp32", "bf16")

    def __init__(self, path: Path, threads: int, precision: Precision = "fp32") -> None:
        import openvino

        # Left to itself, it may compute in bf16 on processors that have it.
        options = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            # Decoding and drawing need cores too, and not the same ones all the time.
            "ENABLE_CPU_PINNING": False,
        }
        self._model = openvino.Core().compile_model(str(path), "CPU", options)
        self._inputs = [port.any_name for port in self._model.inputs]
        self._outputs = [port.any_name for port in self._model.outputs]

    def __call__(self, given: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        values = self._model({name: given[name] for name in self._inputs})
        return {name: values[name] for name in self._outputs}


GRAPHS: dict[ExportFormat, type[Graph]] = {"onnx": OnnxGraph, "openvino": OpenVinoGraph}
PACKAGES: dict[ExportFormat, str] = {"onnx": "onnxruntime", "openvino": "openvino"}
#: give PyTorch's masks in less time on a CPU; the first that is at hand is taken
EXACT: tuple[ExportFormat, ...] = ("openvino", "onnx")


class ExportedRuntime(Runtime):
    """An exported model on the CPU, with as many threads as PyTorch would use.

    Args:
        folder: that `vlp-rvos export` wrote.
        precision: "fp32" (or "auto"); OpenVINO also computes in "bf16", faster on processors that have it.

    Raises:
        UserError: the folder is not what was exported, the packages to run it are not installed, or a precision that
            the runtime does not have.
    """

    def __init__(self, folder: Path, precision: Precision = "auto") -> None:
        manifest = read_manifest(folder)
        check_files(folder, manifest)
        require(PACKAGES[manifest.runtime])
        self.config = ModelConfig.from_dict(manifest.config)
        self.size_multiple = manifest.size_multiple
        self.device = torch.device("cpu")
        self._max_words = manifest.max_words
        self._tokenize = open_tokenizer(*manifest.tokenizer)
        kind, threads = GRAPHS[manifest.runtime], torch.get_num_threads()
        precision = _known_precision(manifest.runtime, precision)
        self._text = kind(graph_path(folder, "text", manifest.runtime), threads, precision)
        self._clip = kind(graph_path(folder, "clip", manifest.runtime), threads, precision)

    def encode_text(self, expressions: Sequence[str]) -> Arrays:
        batch = self._tokenize(expressions, self._max_words)
        mask = batch.mask.numpy()
        return {"mask": mask, **self._text({"ids": batch.ids.numpy(), "mask": mask})}

    def step(
        self, frames: Tensor | Sequence[Any], text: Arrays, state: npt.NDArray[np.float32] | None = None
    ) -> ClipPrediction:
        assert isinstance(frames, Tensor)
        # The text brings the state of a video that begins; models without history have none.
        carried = {} if state is None else {"state": state}
        out = self._clip({**text, **carried, "frames": frames.numpy()})
        presence = out.get("presence_logits")
        return ClipPrediction(
            torch.from_numpy(out["mask_logits"]),
            None if presence is None else torch.from_numpy(presence),
            out.get("next_state"),
            torch.from_numpy(out["matching"]),
        )


def load_exported(
    model: str | Path,
    runtime: RuntimeName = "auto",
    precision: Precision = "auto",
    overrides: Mapping[str, object] | None = None,
) -> ExportedRuntime:
    """Open an exported folder; a name or a checkpoint is exported first, into the user's cache.

    Raises:
        UserError: as `load_runtime`.
    """
    if runtime in ("onnx", "openvino") and not is_exported(model):
        require(PACKAGES[runtime])
        _known_precision(runtime, precision)
        from vlp_rvos.export.cache import cached_export

        return ExportedRuntime(cached_export(model, runtime, overrides), precision)
    if overrides:
        raise UserError(f"{model}: settings of an exported model cannot be changed; export it with them")
    own = read_manifest(Path(model)).runtime
    if runtime not in ("auto", own):
        raise UserError(f"{model}: was exported for {own}, not for {runtime}; leave --runtime out, or export it again")
    return ExportedRuntime(Path(model), precision)


def load_kept(
    model: str | Path, precision: Precision = "auto", overrides: Mapping[str, object] | None = None
) -> ExportedRuntime | None:
    """What runs a model faster than PyTorch on a CPU with the same masks, and is at hand: an export, in fp32.

    None where the model was not exported into the user's cache yet for a runtime that is installed, and for another
    precision. `benchmarks/runtimes.py` and `benchmarks/segment_command.py --runtime openvino` compare.

    Raises:
        UserError: unknown model.
    """
    if precision not in ("auto", "fp32"):
        return None
    from vlp_rvos.export.cache import export_place

    for runtime in EXACT:
        if _installed(PACKAGES[runtime]) and is_exported(folder := export_place(model, runtime, overrides)):
            # Damaged: PyTorch can do it, and `--runtime` with its name exports it again.
            with suppress(UserError):
                return ExportedRuntime(folder, precision)
    return None


def _known_precision(runtime: ExportFormat, precision: Precision) -> Precision:
    """What "auto" means for a runtime, or the precision itself.

    Raises:
        UserError: the runtime does not have it.
    """
    known = GRAPHS[runtime].precisions
    if precision not in ("auto", *known):
        raise UserError(f"precision {precision!r}: {runtime} models run in {' or '.join(known)}")
    return known[0] if precision == "auto" else precision


def require(*packages: str) -> None:
    """Raise a `UserError` that says how to install a package that is missing."""
    missing = [name for name in packages if not _installed(name)]
    if missing:
        raise UserError(f"{' and '.join(missing)} missing; install with: pip install 'vlp-rvos[export]'")


def _installed(package: str) -> bool:
    return find_spec(package) is not None
