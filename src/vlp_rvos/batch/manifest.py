"""Read what a batch is to do: a manifest in Parquet, CSV or JSON Lines, or a folder of videos.

One row is one expression about one video. Columns: `video_uri` and `expression`; optional `expression_id`, `start`,
`end` and `fps`. Others are ignored. Rows of one video, start, end and rate become one item.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlp_rvos.batch.storage import Storage, is_url
from vlp_rvos.batch.work_item import WantedExpression, WorkItem
from vlp_rvos.errors import UserError
from vlp_rvos.media.video_source import FRAME_RATES, SECONDS
from vlp_rvos.utils.extras import import_optional
from vlp_rvos.utils.natural_order import natural_order
from vlp_rvos.utils.plain_text import escape_surrogates, is_blank, short_repr
from vlp_rvos.utils.ranges import Range
from vlp_rvos.utils.text_files import read_text

__all__ = ["VIDEO_SUFFIXES", "group_rows", "is_manifest", "read_folder", "read_manifest"]

#: Endings of the files of a folder that are taken for videos.
VIDEO_SUFFIXES = (
    ".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv",
    ".ts", ".webm", ".wmv",
)  # fmt: skip

Row = Mapping[str, Any]
#: Place of a row, for messages, and its columns.
PlacedRow = tuple[str, Row]


def is_manifest(name: str) -> bool:
    """Whether a path or URL is that of a manifest, by its ending."""
    return Path(name).suffix.lower() in READERS


def read_manifest(manifest: Path, folder: str) -> list[WorkItem]:
    """Read a manifest.

    Args:
        manifest: a file whose name ends in .parquet, .csv, .jsonl or .ndjson.
        folder: path or URL that relative names of videos count from.

    Raises:
        UserError: the file cannot be read, or a row is wrong; the message names the row.
    """
    reader = READERS.get(manifest.suffix.lower())
    if reader is None:
        raise UserError(f"{manifest}: a manifest ends in {', '.join(READERS)}; a folder of videos needs -e EXPRESSION")
    try:
        return group_rows(reader(manifest), folder)
    except OSError as error:
        raise UserError(f"{manifest} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{manifest} is not UTF-8: byte {error.start}") from error


def read_folder(folder: str, expressions: Sequence[str]) -> list[WorkItem]:
    """One item for each video directly in a folder, by the ending of its name, in natural order.

    Hidden files are left out, such as the `._a.mp4` that macOS puts beside `a.mp4`.

    Args:
        folder: path or URL.
        expressions: what to find in each of them.

    Raises:
        UserError: there is no video, or no expression or an empty one.
    """
    names = [name for name in Storage(folder).names(deep=False) if _is_video(name)]
    if not names:
        raise UserError(f"no video in {folder} ({', '.join(suffix[1:] for suffix in VIDEO_SUFFIXES)})")
    rows = (
        (f"{folder}, {name}", {"video_uri": os.path.join(folder, name), "expression": expression})
        for name in sorted(names, key=natural_order)
        for expression in expressions
    )
    return group_rows(rows, os.getcwd())


def group_rows(rows: Iterable[PlacedRow], folder: str) -> list[WorkItem]:
    """Make one item of the rows about each video, in the order in which the videos come first.

    Raises:
        UserError: a row is wrong, two rows of an item have one `expression_id`, or there is no row.
    """
    groups: dict[tuple[str, float | None, float | None, float | None], dict[str, WantedExpression]] = {}
    uris: dict[str, str] = {}
    for place, row in rows:
        uri, text = _text(row, "video_uri", place), _text(row, "expression", place)
        location = _location(uri, folder)
        if (first := uris.setdefault(location, uri)) != uri:
            raise UserError(f"{place}: this video is called {short_repr(first)} above; give it one name")
        start, end = _number(row, "start", place, SECONDS), _number(row, "end", place, SECONDS)
        if end is not None and end <= (start or 0):
            raise UserError(f"{place}: end ({end:g} s) must be later than start ({start or 0:g} s)")
        group = groups.setdefault((location, start, end, _number(row, "fps", place, FRAME_RATES)), {})
        given = row.get("expression_id")
        name = str(len(group)) if given is None or given == "" else escape_surrogates(str(given))
        if name in group:
            raise UserError(f"{place}: another row about this video has the expression_id {short_repr(name)}")
        group[name] = WantedExpression(name, text)
    if not groups:
        raise UserError("the manifest has no rows")
    return [
        WorkItem(uris[location], location, tuple(group.values()), start, end, fps)
        for (location, start, end, fps), group in groups.items()
    ]


def _is_video(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEO_SUFFIXES and not name.startswith(".")


def _location(uri: str, folder: str) -> str:
    if is_url(uri):
        return uri.removeprefix("file://") if uri.startswith("file://") else uri
    return f"{folder.rstrip('/')}/{uri}" if is_url(folder) else os.path.abspath(os.path.join(folder, uri))


def _text(row: Row, column: str, place: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or is_blank(value):
        raise UserError(f"{place}: column {column} must be text, not {short_repr(value)}")
    return escape_surrogates(value) if column == "expression" else value


def _number(row: Row, column: str, place: str, allowed: Range) -> float | None:
    value = row.get(column)
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{place}: column {column} must be a number, not {short_repr(value)}") from None
    allowed.check(f"{place}: column {column}", number, UserError)
    return number


def _csv_rows(manifest: Path) -> Iterator[PlacedRow]:
    # A cell may hold line breaks, so the text is not split into lines here.
    reader = csv.DictReader(io.StringIO(read_text(manifest), newline=""), strict=True)
    try:
        for row in reader:
            yield f"{manifest}, line {reader.line_num}", row
    except csv.Error as error:
        raise UserError(f"{manifest}, line {reader.line_num}: not CSV ({error})") from error


def _json_rows(manifest: Path) -> Iterator[PlacedRow]:
    for number, line in enumerate(read_text(manifest).split("\n"), 1):
        if line.strip():
            place = f"{manifest}, line {number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{place}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise UserError(f"{place}: must be an object with video_uri and expression, not {short_repr(row)}")
            yield place, row


def _parquet_rows(manifest: Path) -> Iterator[PlacedRow]:
    parquet = import_optional("pyarrow.parquet", extra="batch")
    try:
        with parquet.ParquetFile(manifest) as file:
            known = [name for name in COLUMNS if name in file.schema_arrow.names]
            number = 0
            for batch in file.iter_batches(columns=known):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{manifest}, row {number}", row
    except UserError:
        raise
    # pyarrow's own errors are ValueErrors or OSErrors of several lines.
    except (ValueError, OSError, NotImplementedError) as error:
        raise UserError(f"{manifest} cannot be read as Parquet: {str(error).partition(chr(10))[0]}") from error


COLUMNS = ("video_uri", "expression_id", "expression", "start", "end", "fps")
READERS: Mapping[str, Callable[[Path], Iterator[PlacedRow]]] = {
    ".parquet": _parquet_rows,
    ".csv": _csv_rows,
    ".jsonl": _json_rows,
    ".ndjson": _json_rows,
}
