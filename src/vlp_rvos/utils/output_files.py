"""Check, before long work starts, that its result can be written."""

from __future__ import annotations

import os
from pathlib import Path

from vlp_rvos.errors import UserError

__all__ = ["prepare_output"]


def prepare_output(path: Path, *, folder: bool = False) -> None:
    """Make the folder that a result will be written to, and check that it can be written.

    Args:
        path: The file or folder that will be written.
        folder: Whether `path` is a folder.

    Raises:
        UserError: The folder cannot be made or written to, or a folder stands where the file will be written.
    """
    target = path if folder else path.parent
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {target}: {error.strerror}") from error
    if not os.access(target, os.W_OK):
        raise UserError(f"the folder {target} cannot be written to")
    if not folder and path.is_dir():
        raise UserError(f"{path} is a folder; name a file to write")
