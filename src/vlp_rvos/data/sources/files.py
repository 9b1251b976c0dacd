"""Checks that the readers of all layouts share: folders, JSON files, names and expressions may be missing or wrong."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.natural_order import natural_order
from vlp_rvos.utils.text_files import read_text

__all__ = [
    "LAYOUT_ERRORS",
    "check_videos",
    "existing_folder",
    "finite_number",
    "plain_name",
    "read_json",
    "warn_of_lost_expressions",
    "whole_number",
]

#: What taking apart a value raises that has another form than its layout says.
LAYOUT_ERRORS = (AttributeError, LookupError, OverflowError, TypeError, ValueError)


#: Characters that lead to another folder, control characters, and halves of characters, which no file name can hold.
_UNFIT = re.compile(r"[/\\:\0-\x1f\x7f-\x9f\ud800-\udfff]")


class ListedVideo(Protocol):
    """A video of any data set."""

    @property
    def name(self) -> str:
        """Name of the video."""

    @property
    def frames(self) -> Sequence[str]:
        """Names of its frames, in their order."""

    @property
    def expressions(self) -> Sized:
        """The expressions about it."""


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
        UserError: The value is not text, or is text that would lead to another folder or that no file can be called.
    """
    if not isinstance(name, str) or name in {"", ".", ".."} or _UNFIT.search(name):
        raise UserError(
            f"{file} has {name!r:.80} where the plain name of a video, frame, image or expression must stand"
        )
    return name


def whole_number(value: object) -> int:
    """A whole number that a file may also hold as text, or with a decimal point and nothing behind it.

    Raises:
        ValueError: The value is anything else.
    """
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0:
        return int(value)
    raise ValueError(f"{value!r:.80} is not a whole number")


def finite_number(value: object) -> float:
    """A number that a file may also hold as text.

    Raises:
        ValueError: The value is anything else, NaN or infinite.
    """
    with suppress(OverflowError):
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
        if math.isfinite(number):
            return number
    raise ValueError(f"{value!r:.80} is not a number")


def read_json(file: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: The file is missing or is not JSON.

    Warns:
        VLPRVOSWarning: A mapping has two equal keys, of which JSON keeps the last one.
    """
    doubled: list[str] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            doubled.append(next(key for key, count in counts.items() if count > 1))
        return content

    try:
        content = json.loads(read_text(file), object_pairs_hook=mapping)
    except FileNotFoundError:
        raise UserError(f"no such file: {file}") from None
    except UserError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read {file}: {error}") from error
    if doubled:
        message = f"{file}: {len(doubled)} mappings have two equal keys, of which the last one counts: {_few(doubled)}"
        warnings.warn(message, VLPRVOSWarning, stacklevel=2)
    return content


def check_videos(videos: Iterable[ListedVideo], file: Path, what: str = "videos") -> None:
    """Warn of videos without expressions, and of videos whose frames are not in the order of their numbers.

    Of the former nothing is predicted or learned. The latter are often lists that a program sorted as text, 10 before
    2; they are taken as they are.

    Args:
        videos: All videos of a data set.
        file: The file or folder that lists them.
        what: The word for them.
    """
    videos = list(videos)
    silent = [video.name for video in videos if not len(video.expressions)]
    if silent:
        message = f"{file}: {len(silent)} of {len(videos)} {what} have no expressions and are left out: {_few(silent)}"
        warnings.warn(message, VLPRVOSWarning, stacklevel=3)
    mixed = [video.name for video in videos if list(video.frames) != sorted(video.frames, key=natural_order)]
    if mixed:
        message = (
            f"{file}: the frames of {len(mixed)} of {len(videos)} {what} are not listed in the order of their numbers,"
            f" but taken as listed: {_few(mixed)}"
        )
        warnings.warn(message, VLPRVOSWarning, stacklevel=3)


def warn_of_lost_expressions(lost: Mapping[str, Sized], file: Path) -> None:
    """Warn of expressions about videos that a data set does not have.

    Args:
        lost: Name of such a video -> its expressions; empty if there are none.
        file: The file or folder that the expressions come from.
    """
    if lost:
        count = sum(len(expressions) for expressions in lost.values())
        message = f"{file}: {count} expressions are lost, the data set has no videos of these names: {_few(list(lost))}"
        warnings.warn(message, VLPRVOSWarning, stacklevel=3)


def _few(names: Sequence[str]) -> str:
    """The first names, quoted, so that stray spaces and marks are seen."""
    return ", ".join(f"{name!r:.80}" for name in names[:3]) + (", ..." if len(names) > 3 else "")
