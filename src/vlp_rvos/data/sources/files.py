"""What the readers of all layouts share: folders, JSON files and names, any of which may be somebody's mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vlp_rvos.errors import UserError

__all__ = ["existing_folder", "plain_name", "read_json"]


def existing_folder(folder: Path) -> Path:
    """The folder itself.

    Raises:
        UserError: there is none.
    """
    if not folder.is_dir():
        raise UserError(f"no such data set folder: {folder}")
    return folder


def plain_name(name: object, file: Path) -> str:
    """A name that may become part of a path, for reading and for writing: one that leads out of its folder is refused.

    Args:
        name: what stands where a name must stand.
        file: where it stands, for the message.

    Raises:
        UserError: it is no plain name.
    """
    if not isinstance(name, str) or name in {"", ".", ".."} or set(name) & set("/\\:\0"):
        raise UserError(f"{file} has {name!r} where the plain name of a video, frame or expression must stand")
    return name


def read_json(file: Path) -> Any:
    """Content of a JSON file.

    Raises:
        UserError: it is missing or broken.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no such file: {file}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read {file}: {error}") from error
