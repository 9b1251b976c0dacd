"""What `vlp-rvos segment` says at the end of a run, in words or as JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size

from vlp_rvos.cli.segment_summary import Appearance, SegmentSummary
from vlp_rvos.media.video_source import VideoInfo
from vlp_rvos.utils.plain_text import clock, escape_unprintable

__all__ = ["SegmentReport"]

#: Widest expression that is shown, in columns of the terminal.
MAX_NAME = 40


@dataclass(frozen=True)
class SegmentReport:
    """What there is to say about a run that has ended.

    Attributes:
        video: what is known of the video.
        model: name and version of the model.
        summary: numbers about the masks.
        seconds: how long the run took, without loading the model.
        written: name of each output in the JSON report -> its path.
        earlier: file names of the outputs that an earlier run had left.
        truncated: why the frames end early; None where they do not.
        warnings: the warnings of the run.
    """

    video: VideoInfo
    model: tuple[str, str]
    summary: SegmentSummary
    seconds: float
    written: Mapping[str, Path]
    earlier: Collection[str]
    truncated: str | None
    warnings: Sequence[str]

    @property
    def replaced(self) -> list[str]:
        """Names of the outputs that took the place of earlier ones."""
        return [name for name, path in self.written.items() if path.name in self.earlier]

    def to_json(self) -> dict[str, Any]:
        """The report as values for JSON."""
        video, frames = self.video, self.summary.frames
        return {
            "video": {"name": video.name, "width": video.width, "height": video.height, "fps": video.fps},
            "model": {"name": self.model[0], "version": self.model[1]},
            "frames": frames,
            "seconds": round(self.seconds, 3),
            "frames_per_second": round(frames / self.seconds, 3),
            "outputs": {name: str(path) for name, path in self.written.items()},
            "replaced": self.replaced,
            "expressions": self.summary.expressions(),
            "truncated": self.truncated,
            "warnings": list(self.warnings),
        }

    def lines(self) -> list[str]:
        """The report in words: how fast it went, a line for each expression, and what was written."""
        frames = self.summary.frames
        names = [_quoted(name) for name in self.summary.names]
        width = max(map(cell_len, names))
        return [
            f"{frames} frames in {self.seconds:.1f} s ({frames / self.seconds:.1f} frames/s)",
            *(
                f"{name}{' ' * (width - cell_len(name))}  {_describe(one)}"
                for name, one in zip(names, self.summary.appearances, strict=True)
            ),
            f"wrote {', '.join(map(str, self.written.values()))}"
            f"{' in place of earlier results' if self.replaced else ''}",
        ]


def _quoted(name: str) -> str:
    """An expression for one cell of a table."""
    shown = escape_unprintable(" ".join(name.split()))
    return f'"{set_cell_size(shown, MAX_NAME - 3).rstrip()}..."' if cell_len(shown) > MAX_NAME else f'"{shown}"'


def _describe(one: Appearance) -> str:
    """When and how surely an expression was found."""
    if not one.frames:
        return f"not found (presence at most {one.highest_presence:.2f})"
    *first, last = [_span(*span) for span in one.spans]
    when = f"{', '.join(first)} and {last}" if first else last
    gaps = f", with {one.joined} short gap{'s' if one.joined > 1 else ''}" if one.joined else ""
    return f"found {when}{gaps}  sure {one.score:.2f}"


def _span(first: float, last: float) -> str:
    begin, end = clock(first), clock(last)
    return f"at {begin}" if begin == end else f"{begin}-{end}"
