"""Progress bars on standard error: standard output is for results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from vlp_rvos.utils.plain_text import escape_unprintable

__all__ = ["counting", "progress_bar"]


def progress_bar(*columns: ProgressColumn, enabled: bool = True, transient: bool = False) -> Progress:
    """A bar that starts with its task's description; a context manager.

    The bar is hidden where standard error is not a terminal: in a log it would leave empty lines.

    Args:
        columns: what is shown to the right of the bar.
        enabled: False hides the bar on a terminal too.
        transient: remove the bar from the screen at the end.
    """
    console = Console(stderr=True)
    # A description may be a file's name, which can look like rich's markup.
    description = TextColumn("{task.description}", markup=False)
    hidden = not (enabled and console.is_terminal)
    return Progress(description, BarColumn(), *columns, console=console, transient=transient, disable=hidden)


@contextmanager
def counting(description: str, unit: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Show a bar that counts, with the rate and the time left, while the block runs.

    Args:
        description: what is being done or to what, for example "scoring".
        unit: name of the things counted, for example "frames".
        total: how many there are, if that is known.

    Yields:
        A function that takes how many are done so far, and optionally the total.
    """
    columns = MofNCompleteColumn(), TextColumn("{task.fields[rate]}", markup=False), TimeRemainingColumn()
    with progress_bar(*columns, transient=True) as progress:
        task = progress.add_task(escape_unprintable(description), total=total, rate=unit)
        began = time.perf_counter()

        def count(done: int, of: int | None = total) -> None:
            per_second = done / max(time.perf_counter() - began, 1e-9)
            progress.update(task, completed=done, total=of, rate=f"{unit} ({per_second:.1f}/s)")

        yield count
