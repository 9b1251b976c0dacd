"""Reads published weights safely, and fills a module with them strictly.

No code from a file is run: safetensors and `torch.load(weights_only=True)` read tensors only, and from a TorchScript
archive the tensors are read without its code.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.weight_values import as_weights

__all__ = [
    "Source",
    "build_empty",
    "count_layers",
    "load_strictly",
    "published_name",
    "read_checkpoint",
    "shape_of",
    "split_block_name",
]

_NAMED_IN_ERRORS = 3
# The errors that the readers raise for a broken file or one of another kind.
_READ_ERRORS = (
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
ModuleT = TypeVar("ModuleT", bound=nn.Module)

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
    """The place in a file that a tensor of a module is read from.

    Attributes:
        keys: Names of the tensors in the file. Several are joined along the first dimension.
        transposed: Whether the file holds the tensor with its two dimensions swapped.
    """

    keys: tuple[str, ...]
    transposed: bool = False


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of weights, by name.

    Args:
        path: Safetensors file, pickled state dict or TorchScript archive. The state dict may lie under "state_dict",
            "module" or "model"; a prefix "module." that all names share is removed.

    Raises:
        UserError: The file cannot be read, holds no tensors, or holds something other than plain data.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if _is_torchscript(path):
            return _read_torchscript(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except _READ_ERRORS as error:
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
    """The tensors of a TorchScript archive, by attribute path. Its code is not read."""
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
    """Stand-in for every class that a TorchScript archive defines. It has attributes and no behaviour."""


class _ArchiveUnpickler(pickle.Unpickler):
    """An unpickler that knows tensors, plain containers and inert stand-ins, and refuses every other name."""

    def __init__(self, stream: Any, read_storage: Callable[[str], bytes]) -> None:
        super().__init__(stream)
        self._read_storage = read_storage
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            # A new class each time, as a pickle may set attributes of the classes that it names.
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
    """Shape of a tensor that tells the size of a model.

    Args:
        state: Tensors of a file, by name.
        key: Name of the tensor.
        origin: File or folder that the error names.
        dims: Number of dimensions that the tensor must have.

    Raises:
        UserError: The file has no such tensor, or the tensor has another number of dimensions.
    """
    if key not in state:
        raise UserError(f"{origin}: the weights do not fit: missing {key}; give a checkpoint of the named backbone")
    if state[key].dim() != dims:
        raise UserError(f"{origin}: the weights do not fit: {key} has shape {tuple(state[key].shape)}, not {dims}-d")
    return tuple(state[key].shape)


def count_layers(state: Iterable[str], prefix: str) -> int:
    """Number of layers in a state dict. Their names start with `prefix` and the layer's number."""
    return len({key[len(prefix) :].partition(".")[0] for key in state if key.startswith(prefix)})


def split_block_name(name: str) -> tuple[str, str, str] | None:
    """Tower, layer and the rest of the name of a tensor in a layer; None for a tensor outside the layers.

    For example "vision_blocks.3.qkv.weight" gives ("vision", "3", "qkv.weight").
    """
    match = re.fullmatch(r"(vision|text)_blocks\.(\d+)\.(.+)", name)
    return None if match is None else (match[1], match[2], match[3])


def published_name(name: str, table: Mapping[str, str]) -> str:
    """Name of a tensor in a file: what the table says for it, or for its module, with "weight" or "bias" added."""
    if name in table:
        return table[name]
    module, _, kind = name.rpartition(".")
    return f"{table[module]}.{kind}"


def build_empty(build: Callable[[], ModuleT], family: str, origin: str) -> ModuleT:
    """A module without memory for its weights (on the meta device), for `load_strictly` to fill.

    Args:
        build: Constructor of the module, with sizes that were read from a file.
        family: Name of the model that the error names, for example "CLIP".
        origin: File or folder that the error names.

    Raises:
        UserError: The sizes do not fit each other.
    """
    try:
        with torch.device("meta"):
            return build()
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{origin}: its sizes make no {family} ({error}); give another checkpoint") from error


def load_strictly(
    module: nn.Module,
    state: Mapping[str, Tensor],
    source_of: Callable[[str], Source],
    origin: str,
    may_stay_unused: Callable[[str], bool],
) -> list[str]:
    """Fill every tensor of a module from a state dict, in float32.

    Args:
        module: Module to fill; it may be on the meta device.
        state: Tensors of a file, by name.
        source_of: Function from the name of a tensor of the module to its place in the file.
        origin: File or folder that the error names.
        may_stay_unused: Function that tells whether the file may hold a tensor that the module does not use.

    Returns:
        The names in `state` that were not used.

    Raises:
        UserError: Tensors are missing, unexpected or of another shape, and the message names the first of each; or a
            tensor is not of real and finite numbers.
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
            parts = [as_weights(state[key], key, origin) for key in keys]
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
