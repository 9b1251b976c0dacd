"""Progress bars on standard error: standard output is for results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["counting"]


@contextmanager
def counting(what: str, unit: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A bar for the time of the block.

    Args:
        what: is done, for example "scoring".
        unit: that is counted, for example "frames".
        total: how many there are, where it is known already.

    Yields:
        A function to call with how many are done, and with their total where it was not given.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    # In a log, a bar would leave empty lines.
    hidden = not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task(what, total=total)

        def count(done: int, of: int | None = total) -> None:
            progress.update(task, completed=done, total=of)

        yield count
