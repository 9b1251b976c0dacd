"""Files that are there either whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from vlp_rvos.errors import UserError

__all__ = ["AtomicWriter", "part_path", "replace_file", "write_bytes"]


def part_path(path: Path) -> Path:
    """Where something is written until it is complete: beside its final place, hidden."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def replace_file(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Write a file so that at any moment either the old or the new one is complete at `path`.

    Args:
        path: of the file; its folder is made if needed.
        write: called with the path of a temporary file beside it; what it raises is passed on.
        durable: wait until the disk has it, so that not even a power cut leaves a broken file.

    Raises:
        UserError: the folder cannot be written.
    """
    part = part_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        mode = part.stat().st_mode
    except OSError as error:
        raise UserError(f"{path.parent}: cannot be written ({error.strerror}); choose another output folder") from error
    try:
        write(part)
        if durable:
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        # Some writers replace the file by one that only its owner may read.
        part.chmod(mode)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file as `replace_file` does, without waiting for the disk.

    Raises:
        UserError: it cannot be written, for example because the disk is full.
    """
    try:
        replace_file(path, lambda part: part.write_bytes(data), durable=False)
    except OSError as error:
        reason = "no space left on the disk" if error.errno == errno.ENOSPC else error.strerror or error
        raise UserError(f"cannot write {path}: {reason}") from error


class AtomicWriter(ABC):
    """Context manager of whatever is written bit by bit: `close` at the end of a good run, `discard` after a failure.

    `close` itself may fail, for example on a full disk; then what was written is discarded too.
    """

    @abstractmethod
    def close(self) -> None:
        """Finish, and move to the final name."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what was written so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.discard()
            return
        try:
            self.close()
        except BaseException:
            self.discard()
            raise
