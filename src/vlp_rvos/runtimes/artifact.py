"""The folder of an exported model: its graphs, and a manifest that describes them.

The format fixes the names of the files, so nothing in a manifest can refer to a file outside the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from vlp_rvos._version import __version__
from vlp_rvos.errors import UserError
from vlp_rvos.runtimes.names import ExportFormat
from vlp_rvos.utils.atomic import folder_failure
from vlp_rvos.utils.output_set import OutputSet
from vlp_rvos.utils.plain_text import is_unicode, short_repr
from vlp_rvos.utils.ranges import Range, check_ranges
from vlp_rvos.utils.records import record_from
from vlp_rvos.utils.staging import is_staging
from vlp_rvos.utils.text_files import read_text

__all__ = [
    "GRAPH_FILES",
    "CheckpointSource",
    "Manifest",
    "check_files",
    "check_replaceable",
    "file_hash",
    "graph_path",
    "is_exported",
    "new_folder",
    "read_manifest",
    "remove_export",
]

MANIFEST = "export.json"
FORMAT = "vlp-rvos-export"
FORMAT_VERSION = 2

#: Files of each format. A graph is opened by its first file: `text.xml` refers to `text.bin`.
GRAPH_FILES: dict[ExportFormat, tuple[str, ...]] = {
    "onnx": ("text.onnx", "clip.onnx"),
    "openvino": ("text.xml", "text.bin", "clip.xml", "clip.bin"),
}


@dataclass(frozen=True)
class CheckpointSource:
    """The checkpoint that an export in the user's cache was made from.

    Attributes:
        path: absolute path of the checkpoint file.
        sha256: SHA-256 of the checkpoint file.
        graph_version: `vlp_rvos.export.graphs.GRAPH_VERSION` at the time of the export.
    """

    path: str
    sha256: str
    graph_version: int


@dataclass(frozen=True)
class Manifest:
    """What an exported folder holds.

    Attributes:
        runtime: the runtime that the graphs are for.
        backbone: name of the frozen backbone.
        config: the fields of the model's `ModelConfig`.
        tokenizer: name of the tokenizer and the ids that it gives a sample, see
            `vlp_rvos.runtimes.exported_tokenizer`.
        max_words: length of the longest expression, in tokens.
        size_multiple: both sides of the frames must be multiples of this number of pixels.
        hashes: SHA-256 of each graph file, by file name.
        source: the checkpoint behind an export in the user's cache; None for an export that the user asked for.
        format: marks a file as a manifest of this kind.
        format_version: version of the folder's layout.
        package_version: version of the package that wrote the folder.
    """

    runtime: ExportFormat
    backbone: str
    config: dict[str, Any]
    tokenizer: tuple[str, list[int]]
    max_words: Annotated[int, Range(3, 10**5)]
    size_multiple: Annotated[int, Range(1, 4096)]
    hashes: dict[str, str]
    source: CheckpointSource | None = None
    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    package_version: str = __version__

    def __post_init__(self) -> None:
        check_ranges(self)

    def write(self, folder: Path) -> None:
        """Write the manifest into a folder."""
        # Earlier versions of the package do not know `source`.
        values = {name: value for name, value in asdict(self).items() if value is not None}
        (folder / MANIFEST).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def is_exported(path: str | Path) -> bool:
    """Whether a path is a folder with the manifest of an exported model."""
    return (Path(path) / MANIFEST).is_file()


def graph_path(folder: Path, graph: Literal["text", "clip"], runtime: ExportFormat) -> Path:
    """The file that opens a graph."""
    return next(folder / name for name in GRAPH_FILES[runtime] if name.startswith(graph))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an exported model.

    Raises:
        UserError: `folder` is not an exported model, or one in a format that this version does not read.
    """
    _check_name(folder)
    path = folder / MANIFEST
    try:
        values = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{folder}: no readable {MANIFEST} in it ({error}); export the model again") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise UserError(f"{path}: not the manifest of an exported model; give a folder that `vlp-rvos export` wrote")
    if (version := values.get("format_version")) != FORMAT_VERSION:
        raise UserError(
            f"{folder}: exported in format {short_repr(version)}, this version reads {FORMAT_VERSION}; "
            "export the model again"
        )
    return record_from(Manifest, values, str(path))


def check_files(folder: Path, manifest: Manifest) -> None:
    """Check that the graph files of an exported model are the ones that were exported.

    Raises:
        UserError: a file is missing, was changed, or is a link out of the folder.
    """
    names = GRAPH_FILES[manifest.runtime]
    if sorted(manifest.hashes) != sorted(names):
        raise UserError(f"{folder}: the manifest must have hashes of {', '.join(names)}; export the model again")
    for name in names:
        file = folder / name
        if not file.is_file() or file.resolve().parent != folder.resolve():
            raise UserError(f"{file}: missing, or a link that leaves the folder; export the model again")
        if file_hash(file) != manifest.hashes[name]:
            raise UserError(f"{file}: not what was exported (its SHA-256 differs); export the model again")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill; it becomes `folder` at the end of the block, unless the block fails.

    An empty folder or an earlier export of that name is replaced.

    Raises:
        UserError: `folder` holds something other than an export, or cannot be written.
    """
    folder = Path(os.path.abspath(folder))
    check_replaceable(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        output = OutputSet(folder.parent, {folder.name: check_replaceable})
    except OSError as error:
        raise folder_failure(folder.parent, error) from error
    with output:
        part = output.part(folder.name)
        part.mkdir()
        yield part


def _check_name(folder: Path) -> None:
    if not is_unicode(str(folder)):
        raise UserError(f"{folder}: its name is not UTF-8, and ONNX Runtime and OpenVINO cannot open it; rename it")


def check_replaceable(folder: Path) -> None:
    """Check that a path is free, an empty folder, or an earlier export with nothing else in it.

    Raises:
        UserError: it is something else.
    """
    _check_name(folder)
    if folder.is_symlink() and not folder.exists():
        raise UserError(f"{folder} is a link that leads nowhere: remove it, or choose another folder with -o")
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir() if not is_staging(path)} if folder.is_dir() else {""}
    if names and not _has_manifest(folder):
        raise UserError(f"{folder} exists and is not an exported model: choose another folder with -o")
    if foreign := sorted(names - {MANIFEST, *(name for files in GRAPH_FILES.values() for name in files)}):
        raise UserError(
            f"{folder} holds {foreign[0]!r} besides an exported model: move it away, or choose another folder with -o"
        )


def _has_manifest(folder: Path) -> bool:
    try:
        values = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(values, dict) and values.get("format") == FORMAT


def file_hash(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_export(folder: Path) -> None:
    """Delete the files of an exported model, and its folder unless it holds other files too.

    Raises:
        UserError: `folder` is not an exported model.
        OSError: a file cannot be deleted.
    """
    # The manifest is deleted last: until then the folder is known to be an export.
    for name in (*GRAPH_FILES[read_manifest(folder).runtime], MANIFEST):
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
