"""Progress on standard error: bars, and lines where there is no terminal. Standard output is for results."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from vlp_rvos.utils.late_call import called_if_late
from vlp_rvos.utils.plain_text import escape_unprintable

__all__ = ["ANNOUNCEMENTS", "announce", "announced", "counting", "detail", "is_quiet", "progress_bar"]

ANNOUNCEMENTS = "vlp_rvos.progress"
"""Name of the logger that `announce` writes to; the command line prints what it gets."""
SILENT_SECONDS = 5.0
"""Time after which `announced` says what is being done."""
LINE_SECONDS, LINE_SHARE, LONGEST_SILENCE = 5.0, 0.1, 60.0
"""A line of `counting` comes at most every 5 seconds, when another tenth is done or a minute has passed."""


def announce(work: str) -> None:
    """Say what is being done next.

    Args:
        work: The work, for example "tracing the text graph".
    """
    logging.getLogger(ANNOUNCEMENTS).info("%s", work)


def detail(work: str) -> None:
    """Say what only a user who asked for more wants to know.

    Args:
        work: What was done, for example "loaded mini in 1.2 s".
    """
    logging.getLogger(ANNOUNCEMENTS).debug("%s", work)


def is_quiet() -> bool:
    """Whether the user wants to see neither announcements nor progress."""
    return logging.getLogger(ANNOUNCEMENTS).level > logging.INFO


@contextmanager
def announced(work: str) -> Iterator[None]:
    """Say what is being done once the block has run for 5 seconds. Most runs are shorter, and stay silent.

    Args:
        work: The work, for example "loading mini".
    """
    with called_if_late(SILENT_SECONDS, announce, work):
        yield


def progress_bar(*columns: ProgressColumn, enabled: bool = True, transient: bool = False) -> Progress:
    """A bar that starts with its task's description; a context manager.

    The bar is hidden where standard error is not a terminal that can move its cursor, also if the environment forces
    colours: in a log it would leave control characters and empty lines. It has no colours where NO_COLOR is set.

    Args:
        columns: what is shown to the right of the bar.
        enabled: False hides the bar on a terminal too.
        transient: remove the bar from the screen at the end.
    """
    console = Console(stderr=True)
    # A description may be a file's name, which can look like rich's markup.
    description = TextColumn("{task.description}", markup=False)
    movable = sys.stderr.isatty() and console.is_terminal and not console.is_dumb_terminal
    hidden = not (enabled and movable) or is_quiet()
    return Progress(description, BarColumn(), *columns, console=console, transient=transient, disable=hidden)


@contextmanager
def counting(description: str, unit: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Show a bar that counts, with the rate and the time left, while the block runs.

    Where there is no bar, a line says now and then how far the work has come; see `LINE_SECONDS`.

    Args:
        description: what is being done or to what, for example "scoring".
        unit: name of the things counted, for example "frames".
        total: how many there are, if that is known.

    Yields:
        A function that takes how many are done so far, and optionally the total.
    """
    columns = MofNCompleteColumn(), TextColumn("{task.fields[rate]}", markup=False), TimeRemainingColumn()
    with progress_bar(*columns, transient=True) as progress:
        name = escape_unprintable(description)
        task = progress.add_task(name, total=total, rate=unit)
        began = last_line = time.perf_counter()
        last_done = 0

        def count(done: int, of: int | None = total) -> None:
            nonlocal last_line, last_done
            now = time.perf_counter()
            rate = f"{unit} ({done / max(now - began, 1e-9):.1f}/s)"
            progress.update(task, completed=done, total=of, rate=rate)
            far = of is None or done - last_done >= LINE_SHARE * of
            due = now - last_line >= (LINE_SECONDS if far else LONGEST_SILENCE)
            if progress.disable and due and not is_quiet():
                last_line, last_done = now, done
                print(f"{name}: {done}{'' if of is None else f' of {of}'} {rate}", file=sys.stderr, flush=True)

        yield count
