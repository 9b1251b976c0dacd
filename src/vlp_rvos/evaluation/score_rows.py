"""The expressions of a score file as rows, whichever command wrote the file, and as a CSV table.

A score file is what the evaluations write with `--json`.
"""

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

__all__ = ["SCORE_NAMES", "ScoreRow", "match_rows", "mean_of", "read_score_file", "to_csv", "to_rows"]

SCORE_NAMES = ("J_mean", "J_recall", "J_decay", "F_mean", "F_recall", "F_decay", "J&F")
"""Names of the scores of an expression; the last one is `J_AND_F`."""

J_AND_F = "J&F"
MEAN_NAMES = ("J_mean", "F_mean", J_AND_F, "N_acc", "T_acc")


@dataclass(frozen=True)
class ScoreRow:
    """Scores of one expression, or of a video or an object if there are no expressions.

    Attributes:
        video: name of the video.
        id: id of the expression or the object in the video; "" for a whole video.
        expression: text of the expression; "" if there is none.
        kind: kind of the expression; "" if it is not known.
        j: J of each scored frame, in [0, 1]; empty if the file does not hold it.
        scores: name of a score, one of `SCORE_NAMES` -> value, None where nothing could be scored. Names that the file
            does not hold are left out.
        presence: mean predicted presence over the frames, in [0, 1]; None if it is not known.
    """

    video: str
    id: str
    expression: str
    kind: str
    j: tuple[float, ...]
    scores: Mapping[str, float | None]
    presence: float | None

    @property
    def j_and_f(self) -> float | None:
        """J&F, in [0, 1]; None if the row is not scored."""
        return self.scores.get(J_AND_F)


def read_score_file(path: Path) -> dict[str, Any]:
    """Read a score file.

    Returns:
        Its content, which `to_rows` takes.

    Raises:
        UserError: the file cannot be read, or is not a score file; the message names it.
    """
    content = read_json(path)
    try:
        to_rows(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    assert isinstance(content, dict)
    return content


def to_rows(content: Mapping[str, Any]) -> list[ScoreRow]:
    """The rows of a score file.

    Args:
        content: content of the file, as `evaluate run`, `evaluate masks` or `evaluate <benchmark>` write it.

    Raises:
        UserError: the content is of another kind.
    """
    try:
        for value in (*(content.get("metrics") or {}).values(), *(content.get(name) for name in MEAN_NAMES)):
            _known_number(value)
        return [row for video, entry in content["videos"].items() for row in _rows_of_video(video, entry)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError("this is not a score file: write one with vlp-rvos evaluate ... --json") from error


def mean_of(rows: Iterable[ScoreRow], name: str = J_AND_F) -> float | None:
    """Mean of a score over the rows that have it; None if no row has it.

    Args:
        rows: the rows.
        name: name of the score, one of `SCORE_NAMES`.
    """
    values = [value for row in rows if (value := row.scores.get(name)) is not None]
    return fmean(values) if values else None


def match_rows(first: Iterable[ScoreRow], second: Iterable[ScoreRow]) -> tuple[list[tuple[ScoreRow, ScoreRow]], int]:
    """Match the rows of two score files that are about the same expression.

    Returns:
        The matching rows that both files score, and the number of scored rows without a match.
    """
    known = {(row.video, row.id, row.expression): row for row in second if row.j_and_f is not None}
    scored = [row for row in first if row.j_and_f is not None]
    keys = [(row.video, row.id, row.expression) for row in scored]
    matches = [(row, known[key]) for row, key in zip(scored, keys, strict=True) if key in known]
    return matches, len(scored) + len(known) - 2 * len(matches)


def to_csv(rows: Iterable[ScoreRow]) -> str:
    """A CSV table: a line of names, then a line for each row. Unknown values are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["video", "id", "expression", "kind", "frames", *SCORE_NAMES, "presence"])
    for row in rows:
        scores = [row.scores.get(name) for name in SCORE_NAMES]
        writer.writerow([row.video, row.id, row.expression, row.kind, len(row.j), *scores, row.presence])
    return text.getvalue()


def _rows_of_video(video: str, entry: Mapping[str, Any]) -> list[ScoreRow]:
    if "J_mean" in entry and not isinstance(entry["J_mean"], Mapping):
        return [_row(video, "", entry)]
    return [_row(video, key, expression) for key, expression in entry.items()]


def _row(video: str, key: str, entry: Mapping[str, Any]) -> ScoreRow:
    scores = {name: _known_number(entry[name]) for name in SCORE_NAMES if name in entry}
    if J_AND_F not in scores:
        # Scores of mask folders do not hold it.
        j, f = scores["J_mean"], scores["F_mean"]
        scores[J_AND_F] = None if j is None or f is None else (j + f) / 2
    return ScoreRow(
        video=str(video),
        id=str(key),
        expression=str(entry.get("expression", "")),
        kind=str(entry.get("kind") or ""),
        j=tuple(map(_number, _list(entry.get("J", [])))),
        scores=scores,
        presence=_known_number(entry.get("presence")),
    )


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("the scores of the frames are not a list")
    return value


def _known_number(value: Any) -> float | None:
    return None if value is None else _number(value)


def _number(value: Any) -> float:
    """A score, which is a share or the difference of two. The comparison also refuses NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1 <= value <= 1:
        raise ValueError(f"{value!r:.80} is no score")
    return float(value)
