"""The expressions of a score file as rows, whatever command wrote it, and as a CSV table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from vlp_rvos.data.sources.files import read_json
from vlp_rvos.errors import UserError

__all__ = ["MEASURES", "Row", "mean_of", "read_report", "rows_of", "to_csv"]

MEASURES = ("J_mean", "J_recall", "J_decay", "F_mean", "F_recall", "F_decay", "J&F")


@dataclass(frozen=True)
class Row:
    """Scores of one expression, or of a video where there are no expressions.

    Attributes:
        video: its name.
        id: of the expression in the video, "" where there are none.
        expression: its text.
        kind: of expression, "" where it is not known.
        j: of each scored frame; empty where the file has no curves.
        values: some of `MEASURES`; None where nothing could be scored.
        presence: mean over the frames, None where no model said so.
    """

    video: str
    id: str
    expression: str
    kind: str
    j: tuple[float, ...]
    values: Mapping[str, float | None]
    presence: float | None

    @property
    def score(self) -> float | None:
        """J&F."""
        return self.values.get("J&F")


def rows_of(report: Mapping[str, Any]) -> list[Row]:
    """The rows of what `evaluate run`, `evaluate masks` or `evaluate <benchmark>` write.

    Raises:
        UserError: it is something else.
    """
    try:
        return [row for video, entry in report["videos"].items() for row in _rows_of_video(video, entry)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError("this is not a score file: write one with vlp-rvos evaluate ... --json") from error


def read_report(path: Path) -> dict[str, Any]:
    """A score file.

    Raises:
        UserError: it cannot be read, or is no score file; the message names it.
    """
    report = read_json(path)
    try:
        rows_of(report)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    assert isinstance(report, dict)
    return report


def mean_of(rows: Iterable[Row], measure: str = "J&F") -> float | None:
    """Mean of a measure over the rows that have it; None of nothing."""
    values = [value for row in rows if (value := row.values.get(measure)) is not None]
    return fmean(values) if values else None


def to_csv(rows: Iterable[Row]) -> str:
    """One line for each row, after a line of names; numbers in full precision, empty where nothing is known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["video", "id", "expression", "kind", "frames", *MEASURES, "presence"])
    for row in rows:
        values = [row.values.get(measure) for measure in MEASURES]
        writer.writerow([row.video, row.id, row.expression, row.kind, len(row.j), *values, row.presence])
    return text.getvalue()


def _rows_of_video(video: str, entry: Mapping[str, Any]) -> list[Row]:
    if "J_mean" in entry and not isinstance(entry["J_mean"], Mapping):
        return [_row(video, "", entry)]
    return [_row(video, key, expression) for key, expression in entry.items()]


def _row(video: str, key: str, entry: Mapping[str, Any]) -> Row:
    values = {
        measure: None if entry[measure] is None else float(entry[measure]) for measure in MEASURES if measure in entry
    }
    if "J&F" not in values:
        # Of folders of masks.
        j, f = values["J_mean"], values["F_mean"]
        values["J&F"] = None if j is None or f is None else (j + f) / 2
    return Row(
        video=str(video),
        id=str(key),
        expression=str(entry.get("expression", "")),
        kind=str(entry.get("kind") or ""),
        j=tuple(map(float, entry.get("J", ()))),
        values=values,
        presence=entry.get("presence"),
    )
