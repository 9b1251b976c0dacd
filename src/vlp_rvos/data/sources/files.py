"""Checks that the readers of all layouts share: folders, JSON files, names and expressions may be missing or wrong."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, Protocol

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.natural_order import natural_order
from vlp_rvos.utils.text_files import read_text

__all__ = ["check_videos", "existing_folder", "plain_name", "read_json", "warn_of_lost_expressions"]


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


def check_videos(videos: Iterable[ListedVideo], file: Path, what: str = "videos") -> None:
    """Warn of videos without expressions, and of videos whose frames are not in the order of their numbers.

    Of the former nothing is predicted or learned. The latter are often lists that a program sorted as text, 10 before 2;
    they are taken as they are.

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
            f"{file}: of {len(mixed)} of {len(videos)} {what}, frames are not listed in the order of their numbers; they"
            f" are taken as listed: {_few(mixed)}"
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
