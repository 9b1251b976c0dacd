"""What a benchmark leaves behind: rows of a table as JSON, and a plot. Drawn with Pillow, which the package has."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont

from vlp_rvos.utils.atomic import replace_file, write_bytes

__all__ = ["Row", "machine", "plot_lines", "plot_rows", "table", "write_report"]

INK, GRID, GOOD, BAD = (40, 40, 40), (215, 215, 215), (70, 130, 180), (200, 80, 60)
LINES = [(70, 130, 180), (200, 80, 60), (80, 150, 80), (150, 100, 170), (190, 140, 40), (90, 90, 90), (60, 160, 160)]


@dataclass(frozen=True)
class Row:
    """One measured number.

    Attributes:
        what: in words.
        value: a ratio, or what `unit` says.
        at_most: the target; None where there is none.
        unit: of the value; empty for a ratio.
    """

    what: str
    value: float
    at_most: float | None = None
    unit: str = ""


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "load_average": os.getloadavg()[0],
    }


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = ["| what | measured | at most |", "|---|---|---|"]
    for row in rows:
        unit = f" {row.unit}" if row.unit else ""
        limit = "" if row.at_most is None else f"{row.at_most:g}{unit}"
        lines.append(f"| {row.what} | {row.value:.3g}{unit} | {limit} |")
    return "\n".join(lines)


def write_report(rows: Sequence[Row], details: Mapping[str, Any], json_file: Path | None, plot: Path | None) -> None:
    """Print the table, and write it where it is wanted.

    Args:
        rows: the numbers.
        details: what else is to be kept: the setting, medians.
        json_file, plot: where to; None leaves it out.

    Raises:
        UserError: a file cannot be written.
    """
    print(table(rows))
    if json_file is not None:
        report = {**machine(), **details, "rows": [asdict(row) for row in rows]}
        write_bytes(json_file, (json.dumps(report, indent=1) + "\n").encode())
    if plot is not None:
        plot_rows(plot, rows)


def plot_rows(path: Path, rows: Sequence[Row]) -> None:
    """A bar for each number, as a share of its target, which is a line; without a target as a share of the largest."""
    font = ImageFont.load_default(14)
    image = Image.new("RGB", (1000, 20 + 46 * len(rows)), "white")
    draw = ImageDraw.Draw(image)
    largest = max((abs(row.value) for row in rows), default=1.0) or 1.0
    for i, row in enumerate(rows):
        y = 12 + 46 * i
        share = row.value / (row.at_most or largest)
        draw.text((10, y), f"{row.what}: {row.value:.3g} {row.unit}".rstrip(), font=font, fill=INK)
        draw.rectangle((10, y + 20, 10 + 600 * min(1.6, max(0.0, share)), y + 34), fill=GOOD if share <= 1 else BAD)
        if row.at_most is not None:
            draw.line((610, y + 16, 610, y + 38), fill=INK, width=2)
    _save(image, path)


def plot_lines(path: Path, title: str, across: str, up: str, lines: Mapping[str, Mapping[float, float]]) -> None:
    """Curves over one common, linear axis; both axes start at 0."""
    width, height, left, top, right, bottom = 720, 440, 80, 40, 190, 60
    font = ImageFont.load_default(13)
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    most_x = max(x for line in lines.values() for x in line)
    most_y = max(y for line in lines.values() for y in line.values())

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (width - left - right) * x / most_x, height - bottom - (height - top - bottom) * y / most_y

    for i in range(6):
        x, y = most_x * i / 5, most_y * i / 5
        draw.line([place(0, y), place(most_x, y)], fill=GRID)
        draw.text((left - 8, place(0, y)[1]), f"{y:.3g}", font=font, fill=INK, anchor="rm")
        draw.text((place(x, 0)[0], height - bottom + 8), f"{x:.3g}", font=font, fill=INK, anchor="ma")
    for i, (name, line) in enumerate(lines.items()):
        colour = LINES[i % len(LINES)]
        draw.line([place(x, y) for x, y in sorted(line.items())], fill=colour, width=2)
        draw.text((width - right + 10, top + 20 * i), name, font=font, fill=colour)
    draw.text((left, 12), f"{title}: {up}", font=font, fill=INK)
    draw.text((left, height - 24), across, font=font, fill=INK)
    _save(image, path)


def _save(image: Image.Image, path: Path) -> None:
    replace_file(path, lambda part: image.save(part, "PNG"), durable=False)
