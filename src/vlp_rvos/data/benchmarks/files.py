"""What the readers of the layouts share: safe names, JSON files, and counting what is there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vlp_rvos.data.benchmarks.base import CheckItem, ReferringVideo
from vlp_rvos.errors import UserError

__all__ = ["check_item", "count_frames", "existing_folder", "plain_name", "read_json"]


def existing_folder(folder: Path) -> Path:
    """The folder itself.

    Raises:
        UserError: there is none.
    """
    if not folder.is_dir():
        raise UserError(f"no such data set folder: {folder}")
    return folder


def plain_name(name: object, file: Path) -> str:
    """A name that may become part of a path: one that leads out of its folder is refused.

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


def count_frames(folder: Path, videos: Iterable[ReferringVideo], suffix: str) -> int:
    """How many of the videos' frames are at `<folder>/<video>/<frame><suffix>`."""
    found = 0
    for video in videos:
        try:
            there = set(os.listdir(folder / video.name))
        except OSError:
            continue
        found += sum(f"{frame}{suffix}" in there for frame in video.frames)
    return found


def check_item(what: str, found: int, expected: int | None, hint: str) -> CheckItem:
    """A `CheckItem` that keeps its hint only where something is missing."""
    item = CheckItem(what, found, expected, hint)
    return CheckItem(what, found, expected) if item.complete else item
