"""Reading published weights safely, and fitting them into our modules strictly.

Nothing from a file is executed: safetensors and `torch.load(weights_only=True)` read tensors only, and of a
TorchScript archive only the tensors are read, never its code.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vlp_rvos.errors import UserError

__all__ = ["Source", "count_layers", "load_strictly", "read_checkpoint", "shape_of"]

_NAMED_IN_ERRORS = 3
# What the readers raise on files that are broken or are something else.
_BROKEN = (
    OSError,
    SafetensorError,
    zipfile.BadZipFile,
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)
_WRAPPERS = ("state_dict", "module", "model")
_STORAGE_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Source(NamedTuple):
    """Where one of our tensors comes from in a file.

    Attributes:
        keys: the file's tensors, stacked along the first dimension.
        transposed: the file holds it with its two dimensions swapped.
    """

    keys: tuple[str, ...]
    transposed: bool = False


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, by name.

    Args:
        path: safetensors, a pickled state dict (also under "state_dict", "module" or "model"; a "module." prefix is
            dropped) or a TorchScript archive.

    Raises:
        UserError: the file cannot be read, holds no tensors, or holds anything but plain data.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if _is_torchscript(path):
            return _read_torchscript(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except _BROKEN as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise UserError(
            f"{path}: cannot read weights from this file ({reason}); give an unbroken checkpoint with tensors only"
        ) from error
    if isinstance(content, dict):
        content = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), dict)), content)
        tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
        if tensors:
            prefixed = all(key.startswith("module.") for key in tensors)
            return {key.removeprefix("module."): value for key, value in tensors.items()} if prefixed else tensors
    raise UserError(f"{path}: holds no state dict; give a checkpoint with tensors by name")


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.count("/") == 1 and name.endswith("/constants.pkl") for name in archive.namelist())


def _read_torchscript(path: Path) -> dict[str, Tensor]:
    """The tensors of a TorchScript archive by attribute path. Its code is not even read."""
    with zipfile.ZipFile(path) as archive:
        pickled = next((n for n in archive.namelist() if n.count("/") == 1 and n.endswith("/data.pkl")), None)
        if pickled is None:
            raise UserError(f"{path}: a TorchScript archive without data.pkl; give an unbroken checkpoint")
        root = pickled.removesuffix("data.pkl")
        with archive.open(pickled) as stream:
            module = _ArchiveUnpickler(stream, lambda key: archive.read(f"{root}data/{key}")).load()
    tensors: dict[str, Tensor] = {}
    pending, seen = [("", module)], {id(module)}
    while pending:
        prefix, node = pending.pop()
        for name, value in getattr(node, "__dict__", {}).items():
            if isinstance(value, Tensor):
                tensors[prefix + name] = value
            elif isinstance(value, _ScriptObject) and id(value) not in seen:
                seen.add(id(value))
                pending.append((f"{prefix}{name}.", value))
    return tensors


class _ScriptObject:
    """Stands for every class that a TorchScript archive defines: attributes and no behaviour."""


class _ArchiveUnpickler(pickle.Unpickler):
    """Knows tensors, plain containers and inert stand-ins; refuses every other name."""

    def __init__(self, stream: Any, read_storage: Callable[[str], bytes]) -> None:
        super().__init__(stream)
        self._read_storage = read_storage
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            # A fresh class each time: a pickle may set attributes on the classes that it names.
            return type("ScriptObject", (_ScriptObject,), {})
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: torch.as_strided(storage, size, stride, offset)
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGE_DTYPES:
            return name
        if module == "torch.jit._pickle" and re.fullmatch(r"build_(int|double|bool|tensor)list", name):
            return lambda items: items
        raise pickle.UnpicklingError(f"the archive asks for {module}.{name}, which is not plain data")

    def persistent_load(self, pid: Any) -> Tensor:
        _, storage_type, key, *_ = pid
        if key not in self._storages:
            raw = bytearray(self._read_storage(key))
            self._storages[key] = torch.frombuffer(raw, dtype=_STORAGE_DTYPES[storage_type])
        return self._storages[key]


def shape_of(state: Mapping[str, Tensor], key: str, origin: str, dims: int) -> tuple[int, ...]:
    """Shape of a tensor from which a config is inferred.

    Raises:
        UserError: the file has no such tensor, or not of that many dimensions.
    """
    if key not in state:
        raise UserError(f"{origin}: the weights do not fit: missing {key}; give a checkpoint of the named backbone")
    if state[key].dim() != dims:
        raise UserError(f"{origin}: the weights do not fit: {key} has shape {tuple(state[key].shape)}, not {dims}-d")
    return tuple(state[key].shape)


def count_layers(state: Iterable[str], prefix: str) -> int:
    """How many layers a state dict holds under `prefix`, which is followed by the layer's number."""
    return len({key[len(prefix) :].partition(".")[0] for key in state if key.startswith(prefix)})


def load_strictly(
    module: nn.Module,
    state: Mapping[str, Tensor],
    source_of: Callable[[str], Source],
    origin: str,
    may_stay_unused: Callable[[str], bool],
) -> list[str]:
    """Fill every tensor of `module` (which may be on the meta device) from `state`, in float32.

    Args:
        source_of: name of our tensor -> where it comes from.
        origin: the file or folder, for the error.
        may_stay_unused: whether a key of `state` that no tensor of ours uses is fine.

    Returns:
        The keys of `state` that were not used.

    Raises:
        UserError: keys are missing, unexpected or of another shape; the first of each are named.
    """
    filled: dict[str, Tensor] = {}
    missing: dict[str, None] = {}
    misshaped: dict[str, None] = {}
    used: set[str] = set()
    for name, target in module.state_dict().items():
        keys, transposed = source_of(name)
        shape = list(target.shape)
        if len(keys) > 1:
            shape[0] //= len(keys)
        expected = tuple(reversed(shape)) if transposed else tuple(shape)
        used.update(keys)
        absent = [key for key in keys if key not in state]
        wrong = [key for key in keys if key in state and tuple(state[key].shape) != expected]
        missing.update(dict.fromkeys(absent))
        misshaped.update(dict.fromkeys(f"{key} {tuple(state[key].shape)} instead of {expected}" for key in wrong))
        if not absent and not wrong:
            parts = [state[key].to(torch.float32) for key in keys]
            whole = torch.cat(parts) if len(parts) > 1 else parts[0]
            filled[name] = (whole.T if transposed else whole).contiguous()
    unused = [key for key in state if key not in used]
    unexpected = [key for key in unused if not may_stay_unused(key)]
    faults = [
        f"{label} {_first(keys)}"
        for label, keys in (("missing", list(missing)), ("wrong shape", list(misshaped)), ("unexpected", unexpected))
        if keys
    ]
    if faults:
        raise UserError(
            f"{origin}: the weights do not fit: {'; '.join(faults)}. Give a checkpoint of the named backbone"
        )
    module.load_state_dict(filled, assign=True)
    return unused


def _first(keys: list[str]) -> str:
    more = len(keys) - _NAMED_IN_ERRORS
    return ", ".join(keys[:_NAMED_IN_ERRORS]) + (f" and {more} more" if more > 0 else "")
