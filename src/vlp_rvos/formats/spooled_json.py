"""JSON files with several lists that grow at the same time. Memory does not grow with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from vlp_rvos.utils.json_text import json_text

__all__ = ["JsonList", "write_json_object"]

#: Characters of a list that are kept in memory.
BUFFER = 2**14
BLOCK = 2**16


class JsonList:
    """A JSON list that is kept in a temporary file until it is written in its place.

    The file is open only while something is added to it: there may be more lists than files may be open.

    Args:
        path: The temporary file; it must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._length, self._size = path, 0, 0
        self._buffer: list[str] = []

    def __len__(self) -> int:
        return self._length

    def append(self, item: Any) -> None:
        """Add an item, which becomes JSON at once."""
        text = json_text(item)
        self._buffer.append((",\n" if self._length else "") + text)
        self._length += 1
        self._size += len(text)
        if self._size > BUFFER:
            self._flush()

    def move_into(self, file: TextIO) -> None:
        """Write the list into a file, and remove the temporary one."""
        self._flush()
        file.write("[")
        if self._path.exists():
            with self._path.open(encoding="utf-8") as spooled:
                while block := spooled.read(BLOCK):
                    file.write(block)
            self._path.unlink()
        file.write("]")

    def _flush(self) -> None:
        if self._buffer:
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(self._buffer)
        self._buffer, self._size = [], 0


def write_json_object(file: TextIO, content: Mapping[str, Any]) -> None:
    """Write a mapping as JSON. Values may be mappings, lists of mappings, and `JsonList`s at any depth of these."""
    _write(file, content)
    file.write("\n")


def _write(file: TextIO, value: Any) -> None:
    if isinstance(value, JsonList):
        value.move_into(file)
    elif isinstance(value, Mapping):
        for i, (key, item) in enumerate(value.items()):
            file.write(("{" if i == 0 else ", ") + json_text(key) + ": ")
            _write(file, item)
        file.write("}" if value else "{}")
    elif isinstance(value, list):
        file.write("[")
        for i, item in enumerate(value):
            file.write(", " if i else "")
            _write(file, item)
        file.write("]")
    else:
        file.write(json_text(value))
