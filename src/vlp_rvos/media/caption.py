"""Expressions as a caption: lines of coloured text on a translucent box. Shapes: (h, w) pixels of the box."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw

from vlp_rvos.arrays import Floats, Image
from vlp_rvos.media.fonts import Font, drawable, font_for

__all__ = ["Caption", "blend"]

BOX_OPACITY = 0.55
MAX_LETTERS = 200


class Caption:
    """The caption of a video.

    Args:
        expressions: The texts, each of which begins a new line. Long ones are cut.
        colours: (E, 3) uint8 RGB, one colour for each expression.
    """

    def __init__(self, expressions: Sequence[str], colours: npt.NDArray[np.uint8]) -> None:
        texts = (" ".join(expression.split()) for expression in expressions)
        self.texts = [x if len(x) <= MAX_LETTERS else x[: MAX_LETTERS - 3] + "..." for x in texts]
        self.colours = colours

    def draw(self, height: int, width: int) -> tuple[Image, Floats]:
        """Draw the caption for frames of a size in pixels, for `blend` into their upper left corner.

        Returns:
            Colours (h, w, 3) uint8 RGB and opacity (h, w, 1) float32 in [0, 1].
        """
        size = max(10, round(min(height, width) / 24))
        font = font_for("".join(self.texts), size)
        margin = max(2, size // 3)
        lines = [
            (line, tuple(colour.tolist()))
            for text, colour in zip(self.texts, self.colours, strict=True)
            for line in _wrap(drawable(text, font), font, max(1, width - 4 * margin))
        ]
        spacing = round(1.3 * size)
        longest = max(font.getlength(line) for line, _ in lines)
        box_size = (min(width, round(longest) + 2 * margin), min(height, len(lines) * spacing + 2 * margin))
        box = PillowImage.new("RGB", box_size)
        opacity = PillowImage.new("L", box_size, round(255 * BOX_OPACITY))
        for i, (line, colour) in enumerate(lines):
            place = (margin, margin + i * spacing)
            ImageDraw.Draw(box).text(place, line, font=font, fill=colour)
            ImageDraw.Draw(opacity).text(place, line, font=font, fill=255)
        return np.asarray(box), np.asarray(opacity, np.float32)[..., None] / np.float32(255)


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
