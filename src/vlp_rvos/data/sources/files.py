"""Checks that the readers of all layouts share: folders, JSON files and names may all be missing or wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlp_rvos.errors import UserError
from vlp_rvos.utils.text_files import read_text

__all__ = ["existing_folder", "plain_name", "read_json"]


def existing_folder(folder: Path) -> Path:
    """Check that a folder exists, and return it.

    Raises:
        UserError: There is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"no such data set folder: {folder}")
    return folder


def plain_name(name: object, file: Path) -> str:
    """Check that a name can become part of a path without leading out of its folder, and return it.

    Args:
        name: The value that a file has where a name must stand.
        file: The file, for the message.

    Raises:
        UserError: The value is not text, or is text that would lead to another folder.
    """
    if not isinstance(name, str) or name in {"", ".", ".."} or set(name) & set("/\\:\0"):
        raise UserError(f"{file} has {name!r} where the plain name of a video, frame or expression must stand")
    return name


def read_json(file: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: The file is missing or is not JSON.
    """
    try:
        return json.loads(read_text(file))
    except FileNotFoundError:
        raise UserError(f"no such file: {file}") from None
    except UserError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read {file}: {error}") from error
