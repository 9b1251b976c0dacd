"""Files that exist either whole or not at all: they are written beside their place, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.utils.json_text import json_text
from vlp_rvos.utils.plain_text import escape_surrogates
from vlp_rvos.utils.staging import Staging, remove_stale

__all__ = [
    "AtomicWriter",
    "folder_failure",
    "os_reason",
    "replace_file",
    "write_bytes",
    "write_failure",
    "write_json",
    "write_text",
]

#: A disk with fewer free bytes counts as full.
FULL = 2**16


def replace_file(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Write a file so that at any moment either the old or the new one is complete at `path`.

    Args:
        path: The file. Its folder is made if there is none. Where it is a symbolic link, the file that it leads to is
            replaced.
        write: Called with the path of an empty temporary file on the same disk, which it fills. What it raises is
            passed on.
        durable: Wait until the disk holds the content, so that not even a power cut leaves a broken file.

    Raises:
        UserError: The folder cannot be made or written to.
        OSError: The disk is full, whatever `write` raised because of that.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(target.parent)
        staging = Staging.create(target.parent)
    except OSError as error:
        raise folder_failure(target.parent, error) from error
    part = staging.new / target.name
    try:
        part.touch()
        mode = part.stat().st_mode
        try:
            write(part)
        except (OSError, VLPRVOSError):
            raise
        except Exception as error:
            # PyTorch and safetensors have errors of their own for it.
            if "No space left" in str(error) or shutil.disk_usage(part.parent).free < FULL:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            raise
        if durable:
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        # Some writers replace the file by one that only its owner may read.
        part.chmod(mode)
        os.replace(part, target)
    finally:
        staging.remove()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file as `replace_file` does, without waiting for the disk.

    Raises:
        UserError: The file cannot be written, for example because the disk is full.
    """
    try:
        replace_file(path, lambda part: part.write_bytes(data), durable=False)
    except OSError as error:
        raise write_failure(path, error) from error


def write_text(path: Path, text: str) -> None:
    r"""Write a UTF-8 file as `write_bytes` does. What UTF-8 cannot hold becomes a visible escape such as `\xe9`.

    Raises:
        UserError: The file cannot be written.
    """
    write_bytes(path, escape_surrogates(text).encode())


def write_json(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write a JSON file as `write_bytes` does.

    Raises:
        UserError: The file cannot be written.
        ValueError: The content holds NaN or infinity, which JSON does not have.
    """
    write_text(path, json_text(content, indent=1) + "\n")


def write_failure(path: Path, error: OSError) -> UserError:
    """Turn the operating system's refusal to write a file into an error that says why in plain words."""
    return UserError(f"cannot write {path}: {os_reason(error)}")


def folder_failure(folder: Path, error: OSError) -> UserError:
    """Turn the operating system's refusal to make a folder, or to write into it, into an error that says why."""
    reason = "it is a file" if folder.is_file() else os_reason(error)
    return UserError(f"cannot write into {folder} ({reason}); choose another output folder")


def os_reason(error: OSError) -> str:
    """Say in plain words why the operating system refused."""
    return "no space left on the disk" if error.errno == errno.ENOSPC else error.strerror or str(error)


class AtomicWriter(ABC):
    """Base class of writers that write bit by bit.

    Used in a `with` block, a writer is closed at the end of a good run and discarded after a failure. Where `close`
    itself fails, for example because the disk is full, what was written is discarded too.
    """

    @abstractmethod
    def close(self) -> None:
        """Finish the output and give it its final name."""

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
