"""Write a plot of presence, score and area of each expression over time, as a PNG drawn with Pillow."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from vlp_rvos.errors import UserError
from vlp_rvos.media.fonts import Font, drawable, font_for
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.png_mark import is_marked_png, mark_png
from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.media.time_bins import Bins, TimeBins
from vlp_rvos.utils.output_set import ADVICE, OutputSet, is_taken
from vlp_rvos.utils.plain_text import clock

__all__ = ["PlotWriter", "check_plot", "draw_plot"]

INK, GRID, PAPER = (50, 50, 50), (222, 222, 222), (255, 255, 255)
#: The picture is drawn at this multiple of its size and made smaller, which smooths its lines.
SCALE = 2
WIDTH, PANEL, GAP, LEFT, RIGHT, TOP, ROW = 1000, 150, 34, 60, 36, 14, 20
#: Expressions that the legend names, and its longest one in letters.
MAX_NAMED, MAX_NAME = 24, 60
#: Greatest brightness of a line, 0 to 255: brighter ones cannot be seen on white.
MAX_LUMA = 150
LUMA = (0.2126, 0.7152, 0.0722)


class PlotWriter(ResultWriter):
    """Draws presence, score and area of each expression over time. Memory does not grow with the video.

    Args:
        path: The PNG file to write. An existing file is replaced when the new one is complete.
        expressions: The E expressions.
        colours: (E, 3) uint8 RGB, a colour for each expression.
    """

    def __init__(self, path: Path, expressions: Sequence[str], colours: npt.NDArray[np.uint8]) -> None:
        self._expressions, self._colours = expressions, colours
        self._output = OutputSet(path.parent, {path.name: lambda _: None})
        self._part = self._output.part(path.name)
        self._bins = TimeBins((3, len(expressions)))

    def write(self, result: FrameRecord) -> None:
        areas = [np.count_nonzero(mask) / mask.size for mask in result.masks]
        self._bins.add(result.time, np.array([result.presences, result.scores, areas], np.float64))

    def close(self) -> None:
        content = io.BytesIO()
        draw_plot(self._bins.bins(), self._expressions, self._colours).save(content, "PNG")
        self._part.write_bytes(mark_png(content.getvalue()))
        self._output.close()

    def discard(self) -> None:
        self._output.discard()


def check_plot(path: Path) -> None:
    """Check that a path is free, or holds a plot that `PlotWriter` wrote.

    Raises:
        UserError: It is something else.
    """
    if is_taken(path, "file") and not is_marked_png(path):
        raise UserError(f"{path} is not a plot that vlp-rvos wrote: {ADVICE}")


def draw_plot(bins: Bins, expressions: Sequence[str], colours: npt.NDArray[np.uint8]) -> Image.Image:
    """Draw three diagrams, one below the other, with one line for each expression.

    Args:
        bins: (N, 3, E) presence and score in [0, 1], and area as a share of the frame. Where a bin holds several
            frames, a lighter band reaches from the lowest to the highest value.
        expressions: the E expressions.
        colours: (E, 3) uint8 RGB.
    """
    rows = [" ".join(text.split()) for text in expressions[:MAX_NAMED]]
    rows = [text if len(text) <= MAX_NAME else text[: MAX_NAME - 3].rstrip() + "..." for text in rows]
    legend = len(rows) + (len(expressions) > MAX_NAMED)
    height = TOP + ROW * legend + 3 * (PANEL + GAP) + 32
    image = Image.new("RGB", (SCALE * WIDTH, SCALE * height), PAPER)
    draw = ImageDraw.Draw(image)
    font = font_for("".join(rows), 13 * SCALE)
    dark = [_dark(colour) for colour in colours]
    for i, text in enumerate(rows):
        y = TOP + ROW * i + ROW // 2
        draw.rectangle(_scaled(LEFT, y - 5, LEFT + 18, y + 5), fill=dark[i])
        draw.text(_scaled(LEFT + 26, y), drawable(text, font), font=font, fill=INK, anchor="lm")
    if len(expressions) > MAX_NAMED:
        y = TOP + ROW * len(rows) + ROW // 2
        draw.text(_scaled(LEFT + 26, y), f"+{len(expressions) - MAX_NAMED}", font=font, fill=INK, anchor="lm")
    area = 100 * float(bins.highest[:, 2].max(initial=0.0))
    tallest = next(top for top in (1, 2, 5, 10, 20, 50, 100) if area <= top)
    panels = (("presence", 1.0, 1.0, ""), ("score", 1.0, 1.0, ""), ("area of the frame", 100.0, float(tallest), " %"))
    for i, (title, factor, top, unit) in enumerate(panels):
        begin = TOP + ROW * legend + GAP + i * (PANEL + GAP)
        panel = _Panel(draw, font, begin, bins.times, top)
        panel.frame(title, unit, with_times=i == 2)
        for colour, e in ((dark[e], e) for e in range(len(expressions))):
            if bins.frames > 1:
                panel.band(factor * bins.lowest[:, i, e], factor * bins.highest[:, i, e], _pale(colour))
        for colour, e in ((dark[e], e) for e in range(len(expressions))):
            panel.line(factor * bins.means[:, i, e], colour)
    return image.resize((WIDTH, height), Image.Resampling.LANCZOS)


class _Panel:
    """One diagram, whose upper border is at `begin` pixels and stands for the value `top`."""

    def __init__(
        self, draw: ImageDraw.ImageDraw, font: Font, begin: int, times: npt.NDArray[np.float64], top: float
    ) -> None:
        self.draw, self.font, self.begin, self.times, self.top = draw, font, begin, times, top
        self.first, self.last = (float(times[0]), float(times[-1])) if len(times) else (0.0, 0.0)
        shares = (times - self.first) / max(self.last - self.first, 1e-9)
        self.x = SCALE * (LEFT + shares * (WIDTH - LEFT - RIGHT))

    def frame(self, title: str, unit: str, *, with_times: bool) -> None:
        """Draw the grid, the title and the labels of the axes."""
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            y = self.begin + PANEL * (1 - share)
            self.draw.line(_scaled(LEFT, y, WIDTH - RIGHT, y), fill=GRID, width=SCALE)
            label = f"{share * self.top:.3g}{unit}"
            self.draw.text(_scaled(LEFT - 8, y), label, font=self.font, fill=INK, anchor="rm")
        for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
            x = LEFT + share * (WIDTH - LEFT - RIGHT)
            self.draw.line(_scaled(x, self.begin, x, self.begin + PANEL), fill=GRID, width=SCALE)
            if with_times:
                time = clock(self.first + share * (self.last - self.first))
                self.draw.text(_scaled(x, self.begin + PANEL + 8), time, font=self.font, fill=INK, anchor="ma")
        self.draw.text(_scaled(LEFT, self.begin - 5), title, font=self.font, fill=INK, anchor="ld")

    def line(self, values: npt.NDArray[np.float64], colour: tuple[int, ...]) -> None:
        """Draw a line; a single value is a dot."""
        points = self._points(values)
        if len(points) > 1:
            self.draw.line(points, fill=colour, width=2 * SCALE, joint="curve")
        for x, y in points[:1] if len(points) == 1 else ():
            self.draw.ellipse((x - 3 * SCALE, y - 3 * SCALE, x + 3 * SCALE, y + 3 * SCALE), fill=colour)

    def band(self, lowest: npt.NDArray[np.float64], highest: npt.NDArray[np.float64], colour: tuple[int, ...]) -> None:
        """Fill what lies between two lines."""
        points = self._points(lowest) + self._points(highest)[::-1]
        if len(points) > 3:
            self.draw.polygon(points, fill=colour)

    def _points(self, values: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
        y = SCALE * (self.begin + PANEL * (1 - values / self.top))
        return [(float(a), float(b)) for a, b in zip(self.x, y, strict=True)]


def _scaled(*numbers: float) -> Any:
    """Pixels of the final picture -> pixels of the drawing."""
    return tuple(SCALE * number for number in numbers)


def _dark(colour: npt.NDArray[np.uint8]) -> tuple[int, ...]:
    """A colour that can be seen on white."""
    luma = float(colour @ np.array(LUMA))
    return tuple(round(value * min(1.0, MAX_LUMA / max(luma, 1.0))) for value in colour.tolist())


def _pale(colour: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(round(value + 0.75 * (255 - value)) for value in colour)
