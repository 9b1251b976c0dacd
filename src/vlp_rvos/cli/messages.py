"""What the commands do. `cli.py` declares them and imports these modules only when a command runs."""

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
    """Print every `VLPRVOSWarning` as one line on standard error, and collect them; other warnings are left out."""
    collected: list[str] = []

    def show(message: Warning | str, *_: object, **__: object) -> None:
        collected.append(one_line(message))
        print(f"warning: {collected[-1]}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", VLPRVOSWarning)
        warnings.showwarning = show
        yield collected
