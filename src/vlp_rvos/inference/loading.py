"""Load a model into the runtime that is to run it: a shipped model, a checkpoint or an exported model."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import get_args

from vlp_rvos.errors import UserError
from vlp_rvos.export.cache import cache_entry, ensure_exported
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.models import checkpoint
from vlp_rvos.runtimes.artifact import is_exported, read_manifest
from vlp_rvos.runtimes.devices import check_precision, find_device
from vlp_rvos.runtimes.exported_runtime import PACKAGES, ExportedRuntime, resolve_precision
from vlp_rvos.runtimes.names import ExportFormat, RuntimeName
from vlp_rvos.runtimes.runtime import Runtime
from vlp_rvos.runtimes.torch_runtime import TorchRuntime
from vlp_rvos.utils.extras import is_installed, require_installed

__all__ = ["load_cached", "load_exported", "load_runtime"]

#: Formats whose masks equal PyTorch's and which take less time on a CPU, the fastest first.
FASTER_FORMATS: tuple[ExportFormat, ...] = ("openvino", "onnx")


def load_runtime(model: str | Path = "mini", options: InferenceOptions | None = None) -> Runtime:
    """Load a model into the runtime that is to run it.

    A shipped model or a checkpoint that is to run on another runtime than PyTorch is exported the first time, and the
    export is kept in the user's cache. The runtime "auto" stands for:

    - the runtime that an exported model was exported for;
    - for a shipped model or a checkpoint without candidates, on the CPU and in fp32, the export that the cache holds
      (OpenVINO before ONNX), because it gives the same masks in less time;
    - PyTorch in all other cases.

    Args:
        model: name of a shipped model, path of a checkpoint, or a folder that `vlp-rvos export` wrote.
        options: device, precision, runtime and config overrides; the other options have no effect here.

    Raises:
        UserError: the model, device, runtime or precision is unknown or not available, or files do not fit.
    """
    options = options or InferenceOptions()
    runtime = options.runtime
    if runtime not in get_args(RuntimeName):
        raise UserError(f"unknown runtime {runtime!r}: use {', '.join(get_args(RuntimeName))}")
    device = find_device(options.device)
    check_precision(options.precision, device)
    exported = is_exported(model)
    if runtime == "auto" and not exported and device.type == "cpu" and (cached := load_cached(model, options)):
        return cached
    if runtime in ("auto", "torch") and not exported:
        return TorchRuntime(checkpoint.load_model(model, options.overrides, device), precision=options.precision)
    if options.device not in ("auto", "cpu"):
        raise UserError(f"device {options.device!r}: an exported model runs on the CPU; leave --device out")
    return load_exported(model, options)


def load_exported(model: str | Path, options: InferenceOptions) -> ExportedRuntime:
    """Open an exported model; a shipped model or a checkpoint is exported first, into the user's cache.

    Args:
        model: as for `load_runtime`.
        options: runtime, precision and config overrides; the other options have no effect here.

    Raises:
        UserError: the model is unknown, a package is not installed, or the exported model does not fit the options.
    """
    runtime = options.runtime
    if runtime in ("onnx", "openvino") and not is_exported(model):
        require_installed(PACKAGES[runtime], extra="export")
        resolve_precision(runtime, options.precision)
        return ExportedRuntime(ensure_exported(model, runtime, options.overrides), options.precision)
    if options.overrides:
        raise UserError(f"{model}: the settings of an exported model are fixed; load its checkpoint to change them")
    own = read_manifest(Path(model)).runtime
    if runtime not in ("auto", own):
        raise UserError(f"{model}: was exported for {own}, not for {runtime}; leave --runtime out, or export it again")
    return ExportedRuntime(Path(model), options.precision)


def load_cached(model: str | Path, options: InferenceOptions) -> ExportedRuntime | None:
    """Open an export of a model that the user's cache holds already; nothing is exported.

    `benchmarks/runtimes.py` and `benchmarks/segment_command.py --runtime openvino` compare the runtimes.

    Args:
        model: name of a shipped model, or path of a checkpoint.
        options: precision and config overrides; the other options have no effect here.

    Returns:
        The exported model, or None if the cache holds none for an installed runtime, if the precision is not fp32, or
        if the model has candidates, which exports leave out.

    Raises:
        UserError: the model is unknown.
    """
    if options.precision not in ("auto", "fp32"):
        return None
    for runtime in FASTER_FORMATS:
        if is_installed(PACKAGES[runtime]) and is_exported(folder := cache_entry(model, runtime, options.overrides)):
            if _has_candidates(model, options):
                return None
            # A damaged export is passed over; a user who names the runtime exports the model again.
            with suppress(UserError):
                return ExportedRuntime(folder, options.precision)
    return None


def _has_candidates(model: str | Path, options: InferenceOptions) -> bool:
    info = checkpoint.peek(model)
    return bool({**info.config, **info.inference_overrides, **options.overrides}.get("candidates"))
