"""Check early that results can be written, and write them as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlp_rvos.errors import UserError
from vlp_rvos.utils.atomic import write_bytes

__all__ = ["prepare_output", "write_json"]


def prepare_output(path: Path, *, folder: bool = False) -> None:
    """Make sure, before long work starts, that its result can be written.

    Args:
        path: the file, or with `folder` the folder, that will be written.
        folder: which of the two.

    Raises:
        UserError: it cannot be written.
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


def write_json(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write a JSON file atomically.

    Raises:
        UserError: it cannot be written.
    """
    write_bytes(path, (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
