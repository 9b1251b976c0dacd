"""Read tables of comma-separated values."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from vlp_rvos.errors import UserError
from vlp_rvos.utils.text_files import read_text

__all__ = ["read_table"]


def read_table(file: Path, columns: int, header: tuple[str, ...] = ()) -> list[list[str]]:
    """Read the rows of a table, without its header and without empty lines.

    Args:
        file: a text file in UTF-8.
        columns: number of columns to read; further columns are left out.
        header: names that the first row must begin with; empty if the file has no header.

    Raises:
        UserError: the file is missing, or a line is broken; the message names the line.
    """
    try:
        reader = csv.reader(io.StringIO(read_text(file)))
        rows = [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError:
        raise UserError(f"no such file: {file}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {file}: {error}") from error
    if header:
        if not rows or tuple(rows[0][1][: len(header)]) != header:
            raise UserError(f"{file} must begin with the line '{','.join(header)}'; download it again")
        rows = rows[1:]
    for number, row in rows:
        if len(row) < columns:
            raise UserError(f"{file}, line {number} has {len(row)} of {columns} columns; download it again")
        if any("\n" in cell for cell in row):
            # Everything from an opening quotation mark to the next one would be one text, and the rows in it lost.
            raise UserError(f"{file}, line {number} or one before it has a quotation mark that is not closed; close it")
    return [row[:columns] for _, row in rows]
