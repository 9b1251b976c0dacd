"""A text stream for what other programs print about input from outside: nothing in it that a terminal would obey."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO

from vlp_rvos.utils.plain_text import escape_unprintable

__all__ = ["escaped_output"]


class _EscapedStream(io.TextIOBase):
    """Passes text on to another stream, with control characters but line breaks and tabs escaped.

    It is no terminal, so nobody colours what is written to it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        lines = text.split("\n")
        self._stream.write("\n".join("\t".join(map(escape_unprintable, line.split("\t"))) for line in lines))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def fileno(self) -> int:
        return self._stream.fileno()


@contextmanager
def escaped_output() -> Iterator[None]:
    r"""Escape what is printed while the block runs, in any thread: libraries print tracebacks with names from outside.

    A control character becomes visible text such as `\x1b`; line breaks and tabs stay.
    """
    with ExitStack() as stack:
        for stream, redirect in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
            # A program without a terminal may have no streams.
            if stream is not None:
                stack.enter_context(redirect(_EscapedStream(stream)))
        yield
