"""Count the files and entries of a data set and compare them with the official numbers, for `vlp-rvos data check`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vlp_rvos.data.benchmarks.referring_dataset import ReferringVideo
from vlp_rvos.errors import UserError

__all__ = ["CheckItem", "check_item", "count_frames", "try_to_read"]

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One line of `vlp-rvos data check`.

    Attributes:
        what: what is counted, for example "valid videos".
        found: how many are there.
        expected: the official number; None if there is none.
        hint: what is wrong, and how to get what is missing; "" if nothing is missing.
    """

    what: str
    found: int
    expected: int | None
    hint: str = ""

    @property
    def complete(self) -> bool:
        """Whether the official number is there, or anything at all if there is no official number."""
        return self.found == self.expected if self.expected is not None else self.found > 0


def check_item(what: str, found: int, expected: int | None, hint: str) -> CheckItem:
    """A `CheckItem` that keeps its hint only if something is missing."""
    item = CheckItem(what, found, expected, hint)
    return CheckItem(what, found, expected) if item.complete else item


def try_to_read(read: Callable[[], Sequence[Item]], source: str) -> tuple[Sequence[Item], str]:
    """Read a part of a data set that may be missing or broken.

    Args:
        read: function that reads the part; it may raise `UserError`.
        source: how to get the part.

    Returns:
        What was read, and `source`. If the part cannot be read: nothing, and a hint that also says what is wrong.
    """
    try:
        return read(), source
    except UserError as error:
        return (), str(error) if source in str(error) else f"{error}; {source}"


def count_frames(folder: Path, videos: Iterable[ReferringVideo], suffix: str) -> int:
    """Count how many frames of the videos lie at `<folder>/<video>/<frame><suffix>`."""
    found = 0
    for video in videos:
        try:
            files = set(os.listdir(folder / video.name))
        except OSError:
            continue
        found += sum(f"{frame}{suffix}" in files for frame in video.frames)
    return found
