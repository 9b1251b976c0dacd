"""Expressions as a caption: lines of coloured text in a box on the frame or below it. Shapes: (h, w) of the box."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
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
#: Brightness of the strip below a frame, and least brightness of the text, 0 to 255.
STRIP_GREY, LEAST_LUMA = 20, 110
#: Sizes of the font that are tried, as shares of the usual one, and the smallest in pixels.
FONT_SCALES, SMALLEST_FONT = (1.0, 0.8, 0.65), 8
#: Expressions are left out rather than shortened to fewer letters than this.
FEWEST_LETTERS = 16
#: Letters that must fit side by side: narrower columns of text cannot be read.
FEWEST_COLUMNS = 5
ELLIPSIS = "..."
WHITE = (255, 255, 255)
LUMA = (0.2126, 0.7152, 0.0722)

Colour = tuple[int, ...]


class _Limits(NamedTuple):
    """What a caption covers at most, as shares of the frame's width and area."""

    width: float
    area: float


INSIDE, BELOW = _Limits(0.2, 0.12), _Limits(1.0, 0.6)


class Caption:
    """The caption of a video.

    Args:
        expressions: The texts, each of which begins a new line. Long ones are cut.
        colours: (E, 3) uint8 RGB, one colour for each expression. Dark ones are brightened, so that they can be read.
    """

    def __init__(self, expressions: Sequence[str], colours: npt.NDArray[np.uint8]) -> None:
        self.texts = [_cut(" ".join(expression.split()), MAX_LETTERS) for expression in expressions]
        self.colours: list[Colour] = [_readable(colour) for colour in colours]

    def draw(self, height: int, width: int) -> tuple[Image, Floats]:
        """Draw the caption for frames of a size in pixels, for `blend` into their upper left corner.

        It is at most a fifth as wide as a frame, and covers at most `INSIDE` of it: where the texts need more, the font
        becomes smaller, then the texts are cut, then the last ones are left out. A frame without room for
        `FEWEST_COLUMNS` letters side by side has no caption.

        Returns:
            Colours (h, w, 3) uint8 RGB and opacity (h, w, 1) float32 in [0, 1].
        """
        layout = self._layout(height, width, INSIDE)
        if layout is None:
            return np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0, 1), np.float32)
        box = PillowImage.new("RGB", (layout.width, layout.height))
        opacity = PillowImage.new("L", box.size, round(255 * BOX_OPACITY))
        for place, line, colour in layout.places():
            ImageDraw.Draw(box).text(place, line, font=layout.font, fill=colour)
            ImageDraw.Draw(opacity).text(place, line, font=layout.font, fill=255)
        return np.asarray(box), np.asarray(opacity, np.float32)[..., None] / np.float32(255)

    def draw_strip(self, height: int, width: int) -> Image:
        """Draw the caption as a strip that is put below frames of a size in pixels; see `draw` and `BELOW`.

        Returns:
            (h, width, 3) uint8 RGB, where h is even; it is 0 where there is no room for a letter.
        """
        layout = self._layout(height, width, BELOW)
        if layout is None:
            return np.zeros((0, width, 3), np.uint8)
        strip = PillowImage.new("RGB", (width, layout.height + layout.height % 2), (STRIP_GREY,) * 3)
        for place, line, colour in layout.places():
            ImageDraw.Draw(strip).text(place, line, font=layout.font, fill=colour)
        return np.asarray(strip)

    def _layout(self, height: int, width: int, limits: _Limits) -> _Layout | None:
        """The most legible layout that fits frames of a size; None if none does, or there is nothing to write."""
        if not self.texts:
            return None
        usual = max(10, round(min(height, width) / 24))
        sizes = [max(SMALLEST_FONT, round(scale * usual)) for scale in FONT_SCALES]

        def fit(size: int, shown: int, letters: int) -> _Layout | None:
            rows = [(_cut(text, letters), colour) for text, colour in zip(self.texts, self.colours, strict=True)]
            rows = rows[:shown]
            if shown < len(self.texts):
                rows.append((f"+{len(self.texts) - shown}", WHITE))
            font, widest = font_for("".join(self.texts), size), int(limits.width * width)
            if font.getlength("n" * FEWEST_COLUMNS) > widest:
                return None
            layout = _Layout.of(rows, font, size, widest)
            across = width if limits is BELOW else layout.width
            fits = across * layout.height <= limits.area * height * width and layout.height <= height
            return layout if fits and layout.width <= limits.width * width else None

        whole = [layout for size in sizes if (layout := fit(size, len(self.texts), MAX_LETTERS))]
        for layout in whole:
            if not layout.breaks_words:
                return layout
        if whole:
            return whole[-1]
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
    breaks_words: bool

    def places(self) -> Iterator[tuple[tuple[int, int], str, Colour]]:
        """Place (x, y), text and colour of each line."""
        for i, (line, colour) in enumerate(self.lines):
            yield (self.margin, self.margin + i * self.spacing), line, colour

    @classmethod
    def of(cls, rows: Sequence[tuple[str, Colour]], font: Font, size: int, width: int) -> _Layout:
        """Wrap coloured texts into lines of a box that is at most `width` pixels wide, or one letter."""
        margin, spacing = max(2, size // 3), round(1.3 * size)
        inner = max(1, width - 2 * margin)
        texts = [(drawable(text, font), colour) for text, colour in rows]
        lines = [(line, colour) for text, colour in texts for line in _wrap(text, font, inner)]
        longest = max((font.getlength(line) for line, _ in lines), default=0)
        breaks_words = any(font.getlength(word) > inner for text, _ in texts for word in text.split())
        box = math.ceil(longest) + 2 * margin, len(lines) * spacing + 2 * margin
        return cls(lines, font, margin, spacing, *box, breaks_words)


def _readable(colour: npt.NDArray[np.uint8]) -> Colour:
    """A colour, mixed with white as far as it takes to read it on black."""
    luma = float(colour @ np.array(LUMA))
    white = max(0.0, (LEAST_LUMA - luma) / (255 - luma)) if luma < LEAST_LUMA else 0.0
    return tuple(round(value + white * (255 - value)) for value in colour.tolist())


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
    # What has no width, such as a joiner alone, fits any line.
    letters = min(len(text), 1 + round(1.5 * len(text) * width / max(1, font.getlength(text))))
    while letters > 1:
        lines = textwrap.wrap(text, letters)
        if all(font.getlength(line) <= width for line in lines):
            return lines
        letters -= 1
    return textwrap.wrap(text, 1)
