"""Line charts of J over the frames of a video, as coordinates for an HTML report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

__all__ = ["Chart", "Curve", "colour_of", "make_chart", "mean_curve"]

COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
WIDTH, HEIGHT = 1000, 180
MARGIN, LEFT_MARGIN, BOTTOM_MARGIN = 6, 30, 16
MAX_POINTS = 200
"""Largest number of points of a curve; longer curves are thinned."""
MEAN_POINTS = 100
"""Number of points of a mean curve."""


@dataclass(frozen=True)
class Curve:
    """One curve of a chart.

    Attributes:
        name: what the curve shows.
        points: coordinates, as an SVG polyline takes them.
        colour: colour of the line.
        is_dashed: whether the line is dashed, because an earlier curve has the same colour.
    """

    name: str
    points: str
    colour: str
    is_dashed: bool


@dataclass(frozen=True)
class GridLine:
    """A horizontal line of a chart.

    Attributes:
        label: value at the line.
        y: coordinate of the line.
        label_y: coordinate of the label's baseline.
    """

    label: str
    y: str
    label_y: str


@dataclass(frozen=True)
class Chart:
    """A chart with frames from left to right, and values from 0 to 1 upwards.

    Attributes:
        curves: the curves, in the order of their colours.
        first_label: text at the left end.
        last_label: text at the right end.
        width: width of the chart.
        height: height of the chart.
        left: coordinate of the first frame.
        right: coordinate of the last frame.
        grid: horizontal lines.
    """

    curves: Sequence[Curve]
    first_label: str
    last_label: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT_MARGIN
    right: int = WIDTH - MARGIN
    grid: Sequence[GridLine] = ()


def make_chart(curves: Sequence[tuple[str, Sequence[float]]], first_label: str, last_label: str) -> Chart:
    """Draw curves of values in [0, 1].

    Args:
        curves: name and values of each curve. The longest one fills the chart.
        first_label: text at the left end.
        last_label: text at the right end.
    """
    frames = max(len(values) for _, values in curves)
    x_scale = (WIDTH - LEFT_MARGIN - MARGIN) / max(frames - 1, 1)

    def y_of(value: float) -> float:
        return MARGIN + (HEIGHT - BOTTOM_MARGIN - MARGIN) * (1 - value)

    drawn = []
    for i, (name, values) in enumerate(curves):
        step = math.ceil(len(values) / MAX_POINTS) or 1
        points = " ".join(f"{LEFT_MARGIN + x_scale * t:.1f},{y_of(values[t]):.1f}" for t in range(0, len(values), step))
        drawn.append(Curve(name, points, colour_of(i), is_dashed=i >= len(COLOURS)))
    grid = [
        GridLine(label, f"{y_of(float(label)):.1f}", f"{y_of(float(label)) + 4:.1f}") for label in ("0", "0.5", "1")
    ]
    return Chart(drawn, first_label, last_label, grid=grid)


def colour_of(position: int) -> str:
    """Colour of the curve at a position; colours repeat after a while."""
    return COLOURS[position % len(COLOURS)]


def mean_curve(curves: Sequence[Sequence[float]]) -> list[float]:
    """Mean of curves of different lengths, each stretched from the start to the end of its video.

    Returns:
        `MEAN_POINTS` values.
    """
    stretched = []
    for values in curves:
        places = [(len(values) - 1) * k / (MEAN_POINTS - 1) for k in range(MEAN_POINTS)]
        neighbours = [(values[int(place)], values[min(int(place) + 1, len(values) - 1)], place % 1) for place in places]
        stretched.append([before + share * (after - before) for before, after, share in neighbours])
    return [fmean(values) for values in zip(*stretched, strict=True)]
