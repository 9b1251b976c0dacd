"""The folder that a conversion writes: it appears when it is complete, and replaces only an earlier one of ours."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from vlp_rvos.errors import UserError
from vlp_rvos.utils.atomic import AtomicWriter
from vlp_rvos.utils.output_set import ADVICE, OutputSet, is_taken
from vlp_rvos.utils.staging import is_staging

__all__ = ["LIST", "ConvertedFolder", "check_converted_folder"]

LIST = ".vlp-rvos-files.jsonl"
"""The file of such a folder that lists all others, with their sizes and checksums, one in a line."""
MARK = {"format": "vlp-rvos-conversion"}
BLOCK = 2**20


class ConvertedFolder(AtomicWriter):
    """A folder of converted results. It takes its place when it is closed.

    Args:
        folder: The folder to write. The folder that it lies in must exist.

    Attributes:
        part: Where the files are written until then.

    Raises:
        UserError: The folder holds something that no conversion wrote; see `check_converted_folder`.
    """

    def __init__(self, folder: Path) -> None:
        check_converted_folder(folder)
        self._output = OutputSet(folder.parent, {folder.name: check_converted_folder})
        self.part = self._output.part(folder.name)
        self.part.mkdir()

    def close(self) -> None:
        with (self.part / LIST).open("w", encoding="utf-8") as file:
            file.write(json.dumps(MARK) + "\n")
            for path in _files(self.part):
                file.write(json.dumps(_entry(self.part, path)) + "\n")
        self._output.close()

    def discard(self) -> None:
        self._output.discard()


def check_converted_folder(folder: Path) -> None:
    """Check that a path is free, an empty folder, or holds nothing but what a conversion wrote.

    Files that were changed or added since count as the user's own.

    Raises:
        UserError: It is something else.
    """
    if not is_taken(folder, "folder"):
        return
    listed = _read_list(folder / LIST)
    for path in _files(folder):
        entry = _entry(folder, path)
        if listed.get(entry["file"]) != (entry["size"], entry["crc32"]):
            raise UserError(
                f"{folder} holds {entry['file']!r:.80} that vlp-rvos did not write, or that was changed since: {ADVICE}"
            )


def _files(folder: Path) -> Iterator[Path]:
    """All files and links below a folder but the list itself."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_staging(Path(place, name)))
        for name in sorted([*names, *(name for name in folders if Path(place, name).is_symlink())]):
            if Path(place, name) != folder / LIST:
                yield Path(place, name)


def _entry(folder: Path, path: Path) -> dict[str, str | int]:
    if path.is_symlink() or not path.is_file():
        return {"file": path.relative_to(folder).as_posix(), "size": -1, "crc32": 0}
    checksum = size = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            checksum, size = zlib.crc32(block, checksum), size + len(block)
    return {"file": path.relative_to(folder).as_posix(), "size": size, "crc32": checksum}


def _read_list(path: Path) -> dict[object, tuple[object, object]]:
    """Name of each listed file -> its size and checksum; empty where this is no such list."""
    try:
        with path.open(encoding="utf-8") as file:
            if json.loads(file.readline()) != MARK:
                return {}
            entries = [json.loads(line) for line in file]
        return {entry["file"]: (entry["size"], entry["crc32"]) for entry in entries}
    except (OSError, ValueError, TypeError, LookupError):
        return {}
