"""What one visitor of the page may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vlp_rvos.errors import UserError
from vlp_rvos.media.video_source import PIXELS_OF_8K
from vlp_rvos.utils.plain_text import is_blank, shorten
from vlp_rvos.utils.ranges import Range, check_ranges

__all__ = ["Limits", "read_expressions"]

#: Most expressions of a job, and the most letters of each: the work grows with both.
MAX_EXPRESSIONS, MAX_LETTERS = 20, 300


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of the page.

    Attributes:
        max_seconds: length in seconds of the longest part of a video that is processed in one job.
        max_megabytes: size of the largest file that is accepted, in millions of bytes.
        queue: number of jobs that may wait while another one runs.

    Raises:
        UserError: a value is out of its range.
    """

    max_seconds: Annotated[float, Range(0, 10**6, above_low=True)] = 60.0
    max_megabytes: Annotated[float, Range(0, 10**6, above_low=True)] = 200.0
    queue: Annotated[int, Range(0, 1000)] = 8

    def __post_init__(self) -> None:
        check_ranges(self, UserError)

    def check_size(self, size: int) -> None:
        """Refuse a file of too many bytes with a `UserError`."""
        if size > self.max_megabytes * 1e6:
            raise UserError(
                f"the file has {size / 1e6:.1f} MB, and this page takes {self.max_megabytes:g} MB: use a shorter video"
            )

    def check_frame(self, width: int, height: int) -> None:
        """Refuse frames of too many pixels with a `UserError`: a small file can hold pictures that fill the memory."""
        if width * height > PIXELS_OF_8K:
            raise UserError(f"the frames are {width} x {height}, and this page takes those of 8K: make them smaller")

    def check_part(self, start: float, end: float) -> None:
        """Refuse a part of a video, from `start` to `end` in seconds, that is empty or too long with a `UserError`."""
        if not end > start:
            raise UserError(f"the part of the video is empty: its end ({end:g} s) is not after its start ({start:g} s)")
        if end - start > self.max_seconds + 0.5:
            raise UserError(
                f"the part of the video is {end - start:.0f} s long, and this page takes {self.max_seconds:g} s: "
                "choose a shorter part"
            )


def read_expressions(text: str) -> list[str]:
    """The expressions of a text with one in each line; empty lines and repetitions are left out.

    Raises:
        UserError: there are too many expressions, or one is too long.
    """
    lines = (" ".join(line.split()) for line in text.splitlines() if not is_blank(line))
    found = list(dict.fromkeys(lines))
    if len(found) > MAX_EXPRESSIONS:
        raise UserError(f"{len(found)} expressions: this page takes {MAX_EXPRESSIONS} at a time")
    for expression in found:
        if len(expression) > MAX_LETTERS:
            raise UserError(f"{shorten(expression, 40)}: an expression may have {MAX_LETTERS} letters")
    return found
