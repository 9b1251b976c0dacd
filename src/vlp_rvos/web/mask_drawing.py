"""Draw masks on frames in the colours and the style that a visitor has chosen. Shapes: (H, W) pixels of the image."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image
from vlp_rvos.errors import UserError
from vlp_rvos.media.overlay import outline, overlay_colours
from vlp_rvos.media.overlay_style import Colour, parse_colour
from vlp_rvos.results import FrameResult, label_map

__all__ = ["STYLES", "MaskStyle", "jpeg", "shrink"]

#: What is drawn of a mask, as the page names it.
STYLES = ("Fill and outline", "Outline", "Fill")
#: Share of the colour in a filled mask.
FILL_OPACITY = 0.45


@dataclass(frozen=True)
class MaskStyle:
    """How masks are drawn.

    Attributes:
        style: one of `STYLES`.
        chosen: number of a mask, from 0 -> the colour that was chosen for it. The others have colours of their own.
    """

    style: str = STYLES[0]
    chosen: dict[int, Colour] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise UserError(f"unknown style: choose one of {', '.join(STYLES)}")

    def colours(self, number: int) -> list[Colour]:
        """RGB colours of the first masks."""
        own = [(int(r), int(g), int(b)) for r, g, b in overlay_colours(number)]
        return [self.chosen.get(i, colour) for i, colour in enumerate(own)]

    def with_colour(self, number: int, text: str) -> MaskStyle:
        """The style with another colour, given as "#rrggbb", for one mask.

        Raises:
            UserError: the text is no such colour.
        """
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
            raise UserError("a colour has the form #rrggbb")
        return replace(self, chosen=self.chosen | {number: parse_colour(text)})

    def draw(self, result: FrameResult) -> Image:
        """The frame of a result with its masks drawn on it.

        Where masks overlap, the one with the best score is filled; each has its whole outline.

        Returns:
            (H, W, 3) uint8 RGB, a new image.
        """
        image = result.image.copy()
        height, width = image.shape[:2]
        thickness = max(1, round(2 * min(height, width) / 480))
        labels = label_map(result.masks, result.scores)
        colours = np.array(self.colours(len(result.masks)), np.float32).reshape(-1, 3)
        if self.style != "Outline":
            inside = labels > 0
            filled = (1 - FILL_OPACITY) * image[inside] + FILL_OPACITY * colours[labels[inside] - 1]
            image[inside] = np.rint(filled).astype(np.uint8)
        if self.style != "Fill":
            for mask, colour in zip(result.masks, colours, strict=True):
                if mask.any():
                    image[outline(mask.view(np.uint8), thickness)] = colour.astype(np.uint8)
        return image


def shrink(result: FrameResult, side: int) -> FrameResult:
    """The result at a size whose longer side has at most that many pixels."""
    height, width = result.image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return result
    size = max(1, round(width * factor)), max(1, round(height * factor))
    image = np.asarray(PillowImage.fromarray(result.image).resize(size, PillowImage.Resampling.BILINEAR))
    masks = [
        np.asarray(PillowImage.fromarray(mask).resize(size, PillowImage.Resampling.NEAREST)) for mask in result.masks
    ]
    shape = (len(masks), size[1], size[0])
    return replace(result, image=image, masks=np.array(masks, bool).reshape(shape))


def jpeg(image: Image, quality: int = 88) -> bytes:
    """An image (H, W, 3) uint8 RGB as a JPEG file."""
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
