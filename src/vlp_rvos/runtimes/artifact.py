"""The folder of an exported model: its graphs, and a manifest that says what they are.

The names of the files are fixed by the format, so nothing in a manifest can lead out of the folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from vlp_rvos._version import __version__
from vlp_rvos.errors import UserError
from vlp_rvos.runtimes.names import ExportFormat
from vlp_rvos.utils.atomic import part_path, replace_folder
from vlp_rvos.utils.records import record_from

__all__ = [
    "GRAPH_FILES",
    "Manifest",
    "check_files",
    "check_replaceable",
    "file_hash",
    "graph_path",
    "is_exported",
    "new_folder",
    "read_manifest",
]


MANIFEST = "export.json"
FORMAT = "vlp-rvos-export"
FORMAT_VERSION = 2

#: files of each format; a graph is opened by the file named `<graph>.<first suffix>`
GRAPH_FILES: dict[ExportFormat, tuple[str, ...]] = {
    "onnx": ("text.onnx", "clip.onnx"),
    "openvino": ("text.xml", "text.bin", "clip.xml", "clip.bin"),
}


@dataclass(frozen=True)
class Manifest:
    """What an exported folder holds.

    Attributes:
        runtime: that the graphs are for.
        backbone: name of the frozen backbone.
        config: the fields of `ModelConfig`.
        tokenizer: its name and the ids of a sample, see `vlp_rvos.runtimes.exported_tokenizer`.
        max_words: longest expression in tokens.
        size_multiple: the sides of the frames are multiples of it.
        hashes: file name -> SHA-256.
        format, format_version: of this layout.
        package_version: that wrote it.
    """

    runtime: ExportFormat
    backbone: str
    config: dict[str, Any]
    tokenizer: tuple[str, list[int]]
    max_words: int
    size_multiple: int
    hashes: dict[str, str]
    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    package_version: str = __version__

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        (folder / MANIFEST).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def is_exported(path: str | Path) -> bool:
    """Whether there is a manifest in it."""
    return (Path(path) / MANIFEST).is_file()


def graph_path(folder: Path, graph: Literal["text", "clip"], runtime: ExportFormat) -> Path:
    """The file by which a graph is opened."""
    return next(folder / name for name in GRAPH_FILES[runtime] if name.startswith(graph))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest.

    Raises:
        UserError: no exported model, or one that this version does not read.
    """
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: no readable {MANIFEST} in it ({error}); export the model again") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise UserError(f"{path}: not the manifest of an exported model; give a folder that `vlp-rvos export` wrote")
    if values.get("format_version") != FORMAT_VERSION:
        raise UserError(
            f"{folder}: exported in format {values.get('format_version')}, this version reads {FORMAT_VERSION}; "
            "export the model again"
        )
    return record_from(Manifest, values, str(path))


def check_files(folder: Path, manifest: Manifest) -> None:
    """Check that the files beside a manifest are what was exported.

    Raises:
        UserError: a missing, changed or foreign file.
    """
    names = GRAPH_FILES[manifest.runtime]
    if sorted(manifest.hashes) != sorted(names):
        raise UserError(f"{folder}: the manifest must have hashes of {', '.join(names)}; export the model again")
    for name in names:
        file = folder / name
        if not file.is_file() or file.resolve().parent != folder.resolve():
            raise UserError(f"{file}: missing, or a link that leaves the folder; export the model again")
        if file_hash(file) != manifest.hashes[name]:
            raise UserError(f"{file}: not what was exported (its hash differs); export the model again")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder`, to be filled; at the end of the block it takes that name.

    An empty folder and an earlier export are replaced.

    Raises:
        UserError: `folder` holds something else, or cannot be written.
    """
    check_replaceable(folder)
    part = part_path(folder)
    try:
        try:
            part.mkdir(parents=True)
        except OSError as error:
            raise UserError(f"cannot write into {folder.parent} ({error.strerror}); choose another folder") from error
        yield part
        replace_folder(folder, part)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_replaceable(folder: Path) -> None:
    """Raise a `UserError` where `folder` holds anything but an earlier export."""
    if folder.exists() and not is_exported(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not an exported model: choose another folder with -o")


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
