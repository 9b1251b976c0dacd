"""Formats as their writers leave them, from made-up results without a video."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from frame_results import EXPRESSIONS, result, result_at
from segmented import write_out

from vlp_rvos.formats.conversion import convert
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.format_writer import FormatWriter
from vlp_rvos.formats.segmented_video import NO_IMAGE, SegmentedVideo, VideoHeader
from vlp_rvos.results import FrameResult

#: Two frames with overlapping masks, and one without any between them.
RESULTS = [result(0), replace(result_at(None), index=1, time=0.1, name="00001"), result(2)]
#: The same without pixels.
BARE = [replace(one, image=NO_IMAGE) for one in RESULTS]
HEADER = VideoHeader("dog", "dog.mp4", "file", (48, 64), 10.0, 1, EXPRESSIONS, "mini 1", 0.0, 0, Fraction(1), None)


def written(
    folder: Path,
    writer_class: type[FormatWriter],
    results: Sequence[FrameResult] = RESULTS,
    each: bool = False,
    **header: Any,
) -> Path:
    """Write results into a new folder; `header` replaces fields of `HEADER`."""
    folder.mkdir()
    first = results[0]
    known = {"size": first.masks.shape[1:], "expressions": first.expressions} | header
    with writer_class(folder, replace(HEADER, **known), FormatOptions(each=each)) as writer:
        for one in results:
            writer.write(one)
    return folder


def converted(tmp_path: Path, name: str, video: Path, **options: Any) -> tuple[Path, list[FrameResult]]:
    """Convert made-up results of a video as the command does; give the folder and the results."""
    made = write_out(tmp_path / "out", video)
    convert(SegmentedVideo(tmp_path / "out", video), name, tmp_path / name, FormatOptions(**options))
    return tmp_path / name, made


def files_in(folder: Path) -> set[str]:
    """Paths of all files below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def json_of(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text("utf-8"))
