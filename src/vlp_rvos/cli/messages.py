"""Messages on standard error: one line for each."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from vlp_rvos.errors import VLPRVOSWarning

__all__ = ["one_line", "reported_warnings"]


def one_line(message: object) -> str:
    """A message without its line breaks."""
    return " ".join(str(message).split())


@contextmanager
def reported_warnings() -> Iterator[list[str]]:
    """Print every `VLPRVOSWarning` as one line on standard error, and ignore other warnings, while the block runs.

    Yields:
        A list that gets each message that was printed.
    """
    collected: list[str] = []

    def show(message: Warning | str, *_: object, **__: object) -> None:
        collected.append(one_line(message))
        print(f"warning: {collected[-1]}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", VLPRVOSWarning)
        warnings.showwarning = show
        yield collected
