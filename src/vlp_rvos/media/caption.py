"""Expressions as a caption: lines of coloured text on a translucent box. Shapes: (h, w) pixels of the box."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw

from vlp_rvos.arrays import Floats, Image
from vlp_rvos.media.fonts import Font, drawable, font_for

__all__ = ["Caption", "blend"]

BOX_OPACITY = 0.55
MAX_LETTERS = 200
#: Share of the frame's area that a caption covers at most, and share of its width.
MAX_AREA, MAX_WIDTH = 0.2, 0.6
#: Sizes of the font that are tried, as shares of the usual one, and the smallest in pixels.
FONT_SCALES, SMALLEST_FONT = (1.0, 0.8, 0.65), 8
#: Expressions are left out rather than shortened to fewer letters than this.
FEWEST_LETTERS = 16
ELLIPSIS = "..."
WHITE = (255, 255, 255)

Colour = tuple[int, ...]


class Caption:
    """The caption of a video.

    Args:
        expressions: The texts, each of which begins a new line. Long ones are cut.
        colours: (E, 3) uint8 RGB, one colour for each expression.
    """

    def __init__(self, expressions: Sequence[str], colours: npt.NDArray[np.uint8]) -> None:
        self.texts = [_cut(" ".join(expression.split()), MAX_LETTERS) for expression in expressions]
        self.colours: list[Colour] = [tuple(colour.tolist()) for colour in colours]

    def draw(self, height: int, width: int) -> tuple[Image, Floats]:
        """Draw the caption for frames of a size in pixels, for `blend` into their upper left corner.

        It covers at most `MAX_AREA` of a frame: where the texts need more, the font becomes smaller, then the texts are
        cut, then the last ones are left out. A frame without room for a letter has no caption.

        Returns:
            Colours (h, w, 3) uint8 RGB and opacity (h, w, 1) float32 in [0, 1].
        """
        layout = self._layout(height, width)
        if layout is None:
            return np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0, 1), np.float32)
        box = PillowImage.new("RGB", (layout.width, layout.height))
        opacity = PillowImage.new("L", box.size, round(255 * BOX_OPACITY))
        for i, (line, colour) in enumerate(layout.lines):
            place = (layout.margin, layout.margin + i * layout.spacing)
            ImageDraw.Draw(box).text(place, line, font=layout.font, fill=colour)
            ImageDraw.Draw(opacity).text(place, line, font=layout.font, fill=255)
        return np.asarray(box), np.asarray(opacity, np.float32)[..., None] / np.float32(255)

    def _layout(self, height: int, width: int) -> _Layout | None:
        """The most legible layout that fits frames of a size; None if none does."""
        usual = max(10, round(min(height, width) / 24))
        sizes = [max(SMALLEST_FONT, round(scale * usual)) for scale in FONT_SCALES]

        def fit(size: int, shown: int, letters: int) -> _Layout | None:
            rows = [(_cut(text, letters), colour) for text, colour in zip(self.texts, self.colours, strict=True)]
            rows = rows[:shown]
            if shown < len(self.texts):
                rows.append((f"+{len(self.texts) - shown}", WHITE))
            layout = _Layout.of(rows, font_for("".join(self.texts), size), size, round(MAX_WIDTH * width))
            fits = layout.width * layout.height <= MAX_AREA * height * width and layout.height <= height
            return layout if fits and layout.width <= width else None

        for size in sizes:
            if layout := fit(size, len(self.texts), MAX_LETTERS):
                return layout
        for fewest in (FEWEST_LETTERS, 1):
            for shown in range(len(self.texts), 0, -1):
                if layout := fit(sizes[-1], shown, fewest):
                    # The most letters that fit, by halving the range.
                    low, high = fewest, MAX_LETTERS
                    while high - low > 1:
                        middle = (low + high) // 2
                        if longer := fit(sizes[-1], shown, middle):
                            low, layout = middle, longer
                        else:
                            high = middle
                    return layout
        return None


class _Layout(NamedTuple):
    """Lines of text and the box around them, in pixels."""

    lines: list[tuple[str, Colour]]
    font: Font
    margin: int
    spacing: int
    width: int
    height: int

    @classmethod
    def of(cls, rows: Sequence[tuple[str, Colour]], font: Font, size: int, width: int) -> _Layout:
        """Wrap coloured texts into lines of a box that is at most `width` pixels wide, or one letter."""
        margin, spacing = max(2, size // 3), round(1.3 * size)
        lines = [
            (line, colour)
            for text, colour in rows
            for line in _wrap(drawable(text, font), font, max(1, width - 2 * margin))
        ]
        longest = max((font.getlength(line) for line, _ in lines), default=0)
        return cls(lines, font, margin, spacing, math.ceil(longest) + 2 * margin, len(lines) * spacing + 2 * margin)


def _cut(text: str, letters: int) -> str:
    """A text of at most that many letters; dots stand for what is left out, where there is room for them."""
    if len(text) <= letters:
        return text
    return text[: letters - len(ELLIPSIS)].rstrip() + ELLIPSIS if letters > len(ELLIPSIS) else text[:letters]


def blend(image: Image, colours: npt.NDArray[np.uint8] | Floats, opacity: Floats) -> None:
    """Draw translucent colours into the upper left corner of an image, in place.

    Args:
        image: (H, W, ...) uint8, one or more channels.
        colours: (h, w, ...) in [0, 255], of the same channels.
        opacity: (h, w, ...) in [0, 1], which must broadcast to the colours.
    """
    corner = image[: colours.shape[0], : colours.shape[1]]
    corner[:] = np.rint((1 - opacity) * corner + opacity * colours)


def _wrap(text: str, font: Font, width: int) -> list[str]:
    """Lines that are at most `width` pixels wide, or one letter long. Long words are broken."""
    letters = min(len(text), 1 + round(1.5 * len(text) * width / font.getlength(text)))
    while letters > 1:
        lines = textwrap.wrap(text, letters)
        if all(font.getlength(line) <= width for line in lines):
            return lines
        letters -= 1
    return textwrap.wrap(text, 1)
