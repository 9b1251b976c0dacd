"""What the program says: one line for each message, with text from outside made safe for the terminal."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from vlp_rvos.errors import VLPRVOSWarning
from vlp_rvos.utils.plain_text import escape_unprintable, one_line
from vlp_rvos.utils.progress import ANNOUNCEMENTS

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["echo", "one_line", "reported_warnings", "safe_text", "show_unencodable", "shown_announcements"]


def echo(message: str, *, error: bool = False) -> None:
    """Print a line, with what a terminal would obey escaped.

    Args:
        message: The line.
        error: Print it on standard error instead of standard output.
    """
    typer.echo(escape_unprintable(message), err=error)


def safe_text(text: str) -> Text:
    """A cell or title of rich's tables that shows text from outside as it is.

    The text may look like rich's own marks, and may hold what a terminal obeys.
    """
    from rich.text import Text

    return Text(escape_unprintable(text))


def show_unencodable() -> None:
    """Let standard output escape the letters that the terminal's encoding lacks; Python's own rule is to fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def shown_announcements() -> Iterator[None]:
    """Print what `announce` says as lines on standard error while the block runs."""
    logger, lines = logging.getLogger(ANNOUNCEMENTS), _Lines()
    earlier = logger.level, logger.propagate
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.level, logger.propagate = earlier


class _Lines(logging.Handler):
    """Prints log records as they are."""

    def emit(self, record: logging.LogRecord) -> None:
        print(one_line(record.getMessage()), file=sys.stderr, flush=True)


@contextmanager
def reported_warnings() -> Iterator[list[str]]:
    """Print every `VLPRVOSWarning` as one line on standard error, and ignore other warnings, while the block runs.

    What is said again, as of every frame of a video, is printed once.

    Yields:
        A list that gets each message that was printed.
    """
    collected: list[str] = []

    def show(message: Warning | str, *_: object, **__: object) -> None:
        line = one_line(message)
        if line not in collected:
            collected.append(line)
            print(f"warning: {line}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", VLPRVOSWarning)
        warnings.showwarning = show
        yield collected
