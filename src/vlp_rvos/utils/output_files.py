"""Check, before long work starts, that its result can be written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vlp_rvos.errors import UserError
from vlp_rvos.utils.atomic import folder_failure

__all__ = ["output_folder", "prepare_output"]


def prepare_output(path: Path, *, folder: bool = False) -> None:
    """Make the folder that a result will be written into, and check that it can be written into.

    Args:
        path: The file or folder that will be written.
        folder: Whether `path` is a folder.

    Raises:
        UserError: The folder cannot be made or written into, or a folder stands where the file will be written.
    """
    target = path if folder else path.parent
    try:
        target.mkdir(parents=True, exist_ok=True)
        # Permissions alone do not tell: the disk may be full, or mounted to be read only.
        with tempfile.TemporaryFile(dir=target):
            pass
    except OSError as error:
        raise folder_failure(target, error) from error
    if not folder and path.is_dir():
        raise UserError(f"{path} is a folder; name a file to write")


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Prepare a folder for results, and remove it again where the work in the `with` block fails without any.

    Args:
        folder: The folder. Folders above it that had to be made are removed too.

    Raises:
        UserError: The folder cannot be made or written into.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        prepare_output(folder, folder=True)
        yield
    except BaseException:
        for path in missing:
            # A folder with results in it stays.
            with suppress(OSError):
                path.rmdir()
        raise
