"""Load a model by name, checkpoint or exported folder into the runtime that is to run it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import get_args

from vlp_rvos.errors import UserError
from vlp_rvos.export.cache import cached_export, export_place
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.models import checkpoint
from vlp_rvos.runtimes.artifact import is_exported, read_manifest
from vlp_rvos.runtimes.devices import check_precision, find_device
from vlp_rvos.runtimes.exported_runtime import PACKAGES, ExportedRuntime, known_precision
from vlp_rvos.runtimes.names import ExportFormat, RuntimeName
from vlp_rvos.runtimes.runtime import Runtime
from vlp_rvos.runtimes.torch_runtime import TorchRuntime
from vlp_rvos.utils.extras import is_installed, require_installed

__all__ = ["load_exported", "load_kept", "load_runtime"]

#: Formats that give PyTorch's masks in less time on a CPU, the fastest first.
EXACT: tuple[ExportFormat, ...] = ("openvino", "onnx")


def load_runtime(model: str | Path = "mini", options: InferenceOptions | None = None) -> Runtime:
    """Load a model into the runtime that is to run it.

    `options.runtime` "auto" is what an exported folder was exported for. A name or a checkpoint is exported when it is
    first to run on another runtime than PyTorch, and the export is kept in the user's cache; "auto" uses what is kept
    there (OpenVINO rather than ONNX) on the CPU in fp32, as it gives the same masks faster, and otherwise PyTorch.

    Args:
        model: name of a shipped model, path of a checkpoint, or a folder that `vlp-rvos export` wrote.
        options: device, precision, runtime and config overrides; the other options play no part here.

    Raises:
        UserError: unknown model or runtime, weights or files that do not fit, a device that is not available.
    """
    options = options or InferenceOptions()
    runtime = options.runtime
    if runtime not in get_args(RuntimeName):
        raise UserError(f"unknown runtime {runtime!r}: use {', '.join(get_args(RuntimeName))}")
    device = find_device(options.device)
    check_precision(options.precision, device)
    exported = is_exported(model)
    if runtime == "auto" and not exported and device.type == "cpu" and (kept := load_kept(model, options)) is not None:
        return kept
    if runtime in ("auto", "torch") and not exported:
        return TorchRuntime(checkpoint.load_model(model, options.overrides, device), precision=options.precision)
    if options.device not in ("auto", "cpu"):
        raise UserError(f"device {options.device!r}: an exported model runs on the CPU; leave --device out")
    return load_exported(model, options)


def load_exported(model: str | Path, options: InferenceOptions) -> ExportedRuntime:
    """Open an exported folder; a name or a checkpoint is exported first, into the user's cache.

    Args:
        model: as for `load_runtime`.
        options: runtime, precision and config overrides; the other options play no part here.

    Raises:
        UserError: unknown model, packages that are not installed, or options that the exported model does not have.
    """
    runtime = options.runtime
    if runtime in ("onnx", "openvino") and not is_exported(model):
        require_installed(PACKAGES[runtime], extra="export")
        known_precision(runtime, options.precision)
        return ExportedRuntime(cached_export(model, runtime, options.overrides), options.precision)
    if options.overrides:
        raise UserError(f"{model}: settings of an exported model cannot be changed; export it with them")
    own = read_manifest(Path(model)).runtime
    if runtime not in ("auto", own):
        raise UserError(f"{model}: was exported for {own}, not for {runtime}; leave --runtime out, or export it again")
    return ExportedRuntime(Path(model), options.precision)


def load_kept(model: str | Path, options: InferenceOptions) -> ExportedRuntime | None:
    """Open the export of a model that the user's cache holds already, where it gives PyTorch's masks faster.

    `benchmarks/runtimes.py` and `benchmarks/segment_command.py --runtime openvino` compare the runtimes.

    Args:
        model: name of a shipped model, or path of a checkpoint.
        options: precision and config overrides; the other options play no part here.

    Returns:
        None where the cache holds no export for an installed runtime, and for another precision than fp32.

    Raises:
        UserError: unknown model.
    """
    if options.precision not in ("auto", "fp32"):
        return None
    for runtime in EXACT:
        if is_installed(PACKAGES[runtime]) and is_exported(folder := export_place(model, runtime, options.overrides)):
            # A damaged export is passed over: PyTorch runs the model, and `--runtime` with its name exports it again.
            with suppress(UserError):
                return ExportedRuntime(folder, options.precision)
    return None
