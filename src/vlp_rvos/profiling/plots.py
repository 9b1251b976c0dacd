"""Plots of measurements as PNG files, drawn with Pillow, so that no plotting library is needed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vlp_rvos.media.png_mark import mark_png
from vlp_rvos.utils.atomic import replace_file

__all__ = ["plot_bars", "plot_lines"]

INK, GRID, GOOD, BAD = (40, 40, 40), (215, 215, 215), (70, 130, 180), (200, 80, 60)
LINE_COLOURS = [
    (70, 130, 180),
    (200, 80, 60),
    (80, 150, 80),
    (150, 100, 170),
    (190, 140, 40),
    (90, 90, 90),
    (60, 160, 160),
]


def plot_bars(path: Path, bars: Sequence[tuple[str, float, float | None]]) -> None:
    """Draw one bar for each number, as a share of its target; without a target, as a share of the largest number.

    A line marks the target. A bar is blue up to the target and red beyond it.

    Args:
        path: PNG file to write.
        bars: label, number and target of each bar, from top to bottom; the target may be None.
    """
    font = ImageFont.load_default(14)
    image = Image.new("RGB", (1000, 20 + 46 * len(bars)), "white")
    draw = ImageDraw.Draw(image)
    largest = max((abs(value) for _, value, _ in bars), default=1.0) or 1.0
    for i, (label, value, target) in enumerate(bars):
        y = 12 + 46 * i
        share = value / (target or largest)
        draw.text((10, y), label, font=font, fill=INK)
        draw.rectangle((10, y + 20, 10 + 600 * min(1.6, max(0.0, share)), y + 34), fill=GOOD if share <= 1 else BAD)
        if target is not None:
            draw.line((610, y + 16, 610, y + 38), fill=INK, width=2)
    _save(image, path)


def plot_lines(path: Path, title: str, x_label: str, y_label: str, lines: Mapping[str, Mapping[float, float]]) -> None:
    """Draw lines in one diagram with linear axes that start at 0.

    Args:
        path: PNG file to write.
        title: title of the diagram.
        x_label: what the horizontal axis shows.
        y_label: what the vertical axis shows.
        lines: name of a line -> x -> y.
    """
    width, height, left, top, right, bottom = 720, 440, 80, 40, 190, 60
    font = ImageFont.load_default(13)
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    max_x = max(x for line in lines.values() for x in line)
    max_y = max(y for line in lines.values() for y in line.values())

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (width - left - right) * x / max_x, height - bottom - (height - top - bottom) * y / max_y

    for i in range(6):
        x, y = max_x * i / 5, max_y * i / 5
        draw.line([place(0, y), place(max_x, y)], fill=GRID)
        draw.text((left - 8, place(0, y)[1]), f"{y:.3g}", font=font, fill=INK, anchor="rm")
        draw.text((place(x, 0)[0], height - bottom + 8), f"{x:.3g}", font=font, fill=INK, anchor="ma")
    for i, (name, line) in enumerate(lines.items()):
        colour = LINE_COLOURS[i % len(LINE_COLOURS)]
        draw.line([place(x, y) for x, y in sorted(line.items())], fill=colour, width=2)
        draw.text((width - right + 10, top + 20 * i), name, font=font, fill=colour)
    draw.text((left, 12), f"{title}: {y_label}", font=font, fill=INK)
    draw.text((left, height - 24), x_label, font=font, fill=INK)
    _save(image, path)


def _save(image: Image.Image, path: Path) -> None:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    content = mark_png(buffer.getvalue())
    replace_file(path, lambda part: part.write_bytes(content), durable=False)
