"""Counting what is there, for `vlp-rvos data check`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from vlp_rvos.data.benchmarks.referring_dataset import CheckItem, ReferringVideo
from vlp_rvos.errors import UserError

__all__ = ["attempt", "check_item", "count_frames"]

Item = TypeVar("Item")


def attempt(read: Callable[[], Sequence[Item]], source: str) -> tuple[Sequence[Item], str]:
    """What was read, nothing where it cannot be; and the hint for a check: what is wrong, and how to get it.

    Args:
        read: may raise `UserError`.
        source: how to get what it reads.
    """
    try:
        return read(), source
    except UserError as error:
        return (), str(error) if source in str(error) else f"{error}; {source}"


def check_item(what: str, found: int, expected: int | None, hint: str) -> CheckItem:
    """A `CheckItem` that keeps its hint only where something is missing."""
    item = CheckItem(what, found, expected, hint)
    return CheckItem(what, found, expected) if item.complete else item


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
