"""The limits of the service, each of which bounds what one request, or all of them, may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vlp_rvos.errors import UserError
from vlp_rvos.utils.plain_text import is_blank
from vlp_rvos.utils.ranges import Range, check_ranges

__all__ = ["ServiceOptions", "checked_expressions"]

#: Expressions of one request, and characters of one of them.
MAX_EXPRESSIONS, MAX_CHARACTERS = 32, 500


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """What the service takes, and for how long.

    Attributes:
        workers: processes with a model each; as many requests are worked on at a time.
        threads: threads of PyTorch in each worker.
        queue: requests that may wait for a worker; further ones are refused.
        max_megabytes: largest upload, in millions of bytes.
        max_seconds: longest part of a video that one request may ask for, in seconds.
        timeout: wall time that a request may take in all, upload and waiting included, in seconds.
        live_seconds: time after which a live source is ended, in seconds.
        grace: time that running work gets to finish when the service is stopped, in seconds.
        keep_seconds: time for which an uploaded video is kept after it was last asked about, in seconds.
        kept_videos: uploaded videos that are kept at a time.
        frames_in_flight: frames of a live source that may wait for their masks.

    Raises:
        UserError: a value is out of its range.
    """

    workers: Annotated[int, Range(1, 256)] = 1
    threads: Annotated[int, Range(1, 1024)] = 1
    queue: Annotated[int, Range(0, 10_000)] = 8
    max_megabytes: Annotated[float, Range(0, 100_000, above_low=True)] = 100.0
    max_seconds: Annotated[float, Range(0, 10**6, above_low=True)] = 60.0
    timeout: Annotated[float, Range(0, 10**6, above_low=True)] = 300.0
    live_seconds: Annotated[float, Range(0, 10**6, above_low=True)] = 3600.0
    grace: Annotated[float, Range(0, 3600)] = 20.0
    keep_seconds: Annotated[float, Range(0, 10**6, above_low=True)] = 600.0
    kept_videos: Annotated[int, Range(1, 10_000)] = 16
    frames_in_flight: Annotated[int, Range(1, 1000)] = 16

    def __post_init__(self) -> None:
        check_ranges(self, UserError)

    @property
    def max_bytes(self) -> int:
        """Largest upload, in bytes."""
        return int(self.max_megabytes * 1e6)


def checked_expressions(texts: list[str]) -> list[str]:
    """The expressions of a request.

    Raises:
        UserError: there is none, one is empty or too long, or there are too many.
    """
    if not texts or any(map(is_blank, texts)):
        raise UserError("no expression, or an empty one: say what to find, for example expression=the red car")
    if len(texts) > MAX_EXPRESSIONS or max(map(len, texts)) > MAX_CHARACTERS:
        raise UserError(f"at most {MAX_EXPRESSIONS} expressions of {MAX_CHARACTERS} characters each")
    return texts
