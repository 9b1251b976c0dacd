"""Comma-separated lists, and packages that only some layouts need."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path
from typing import Any

from vlp_rvos.errors import UserError

__all__ = ["import_extra", "read_table"]


def read_table(file: Path, columns: int, header: tuple[str, ...] = ()) -> list[list[str]]:
    """Rows of a comma-separated file, without its header and without empty lines.

    Args:
        file: UTF-8 text.
        columns: how many every row must have at least; further ones are left out.
        header: what the first row must begin with, where the file has a header.

    Raises:
        UserError: the file is missing or broken; the message names the line.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
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
    return [row[:columns] for _, row in rows]


def import_extra(module: str) -> Any:
    """A package that only the layouts of benchmarks need.

    Raises:
        UserError: it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise UserError(f"{package} is not installed; get it with: pip install 'vlp-rvos[benchmarks]'") from error
