"""The table of everything that was measured, `docs/results.jsonl`: one row for one run of a command.

`docs/results.md` says what the columns and the values of each kind of row mean. `python tools/report.py` adds rows and
writes the tables of the documents from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlp_rvos.errors import UserError
from vlp_rvos.utils.atomic import write_bytes

TABLE = Path(__file__).parents[1] / "docs" / "results.jsonl"


@dataclass(frozen=True)
class Result:
    """One row of the table.

    Attributes:
        name: Unique name of the row.
        kind: What was measured, a section of `docs/results.md`.
        title: The row in words, as the tables of the documents show it.
        base: Name of the row that this one is compared with; None for a row that stands alone.
        command: The command that measures it; None where it is not known any more.
        result: The measured values; `docs/results.md` says what they mean.
    """

    name: str
    kind: str
    title: str
    base: str | None
    command: str | None
    result: dict[str, Any]


def read_results(table: Path = TABLE) -> dict[str, Result]:
    """All rows by name, in the order of the file.

    Raises:
        UserError: A line is not a row, or two rows have one name.
    """
    rows: dict[str, Result] = {}
    for number, line in enumerate(table.read_text("utf-8").splitlines(), 1):
        try:
            row = Result(**json.loads(line))
        except (TypeError, ValueError) as error:
            raise UserError(f"{table}, line {number} is not a row of the table: {error}") from error
        if row.name in rows:
            raise UserError(f"{table}, line {number}: there is already a row {row.name}")
        rows[row.name] = row
    return rows


def write_results(rows: Iterable[Result], table: Path = TABLE) -> None:
    """Write all rows."""
    lines = (json.dumps(asdict(row), ensure_ascii=False, allow_nan=False, separators=(",", ":")) for row in rows)
    write_bytes(table, "".join(line + "\n" for line in lines).encode())


def put_result(row: Result, table: Path = TABLE) -> None:
    """Put a row in the place of the one with its name, or else at the end."""
    rows = read_results(table) if table.exists() else {}
    write_results({**rows, row.name: row}.values(), table)
