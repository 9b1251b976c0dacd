"""Pictures of one thing that a model computes, drawn over a frame. Shapes: (H, W) pixels of a panel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw

from vlp_rvos.arrays import Floats, Image, Size
from vlp_rvos.explaining.explanation import Candidate
from vlp_rvos.media.fonts import font_for
from vlp_rvos.media.overlay import outline, overlay_colours
from vlp_rvos.media.resizing import resize_mask

__all__ = ["candidate_colour", "candidate_panel", "heat_panel", "mask_panel", "shrink"]

#: Colours of a heat map from 0 to 1.
HEAT = np.array([(20, 18, 60), (92, 30, 130), (190, 55, 100), (245, 125, 40), (252, 225, 90)], np.float32)
#: Opacity of a heat map where it is 0 and where it is 1, and brightness of the grey frame under it.
LEAST_OPACITY, MOST_OPACITY, GREY = 0.25, 0.85, 0.8
MASK_COLOUR, MASK_OPACITY = (255, 70, 64), 0.55
#: Colour of the candidates that are not meant.
OTHER = (235, 235, 235)


def shrink(image: Image, size: Size) -> Image:
    """Resize a frame to the size of a panel."""
    return np.asarray(PillowImage.fromarray(image).resize(size[::-1], PillowImage.Resampling.BOX))


def heat_panel(frame: Image, values: Floats) -> Image:
    """Draw values in [0, 1], of any size (h, w), as colours over a grey frame (H, W, 3)."""
    size = frame.shape[1], frame.shape[0]
    resized = PillowImage.fromarray(values).resize(size, PillowImage.Resampling.BILINEAR)
    heat = np.asarray(resized).clip(0, 1)[..., None]
    place = heat[..., 0] * (len(HEAT) - 1)
    colours = np.stack([np.interp(place, np.arange(len(HEAT)), channel) for channel in HEAT.T], -1)
    grey = GREY * frame.mean(-1, keepdims=True)
    opacity = LEAST_OPACITY + (MOST_OPACITY - LEAST_OPACITY) * heat
    drawn: Image = np.rint((1 - opacity) * grey + opacity * colours).astype(np.uint8)
    return drawn


def mask_panel(frame: Image, mask: npt.NDArray[np.bool_]) -> Image:
    """Draw a mask of any size over a frame (H, W, 3), which is darker outside."""
    inside = resize_mask(mask, (frame.shape[0], frame.shape[1]))
    drawn = np.rint(0.6 * frame).astype(np.uint8) if mask.any() else frame.copy()
    drawn[inside] = np.rint((1 - MASK_OPACITY) * frame[inside] + MASK_OPACITY * np.array(MASK_COLOUR))
    drawn[outline(inside.astype(np.uint8), 2)] = MASK_COLOUR
    return drawn


def candidate_colour(candidate: Candidate) -> tuple[int, int, int]:
    """The colour of a candidate: its own where it is meant, a light grey where it is not."""
    if not candidate.is_meant:
        return OTHER
    red, green, blue = _palette()[candidate.number % len(_palette())].tolist()
    return red, green, blue


def candidate_panel(frame: Image, candidates: Sequence[Candidate], text_size: int) -> Image:
    """Outline and number the candidates over a darker frame (H, W, 3); those that are meant are filled.

    Args:
        frame: the frame.
        candidates: the best first; the best are drawn on top.
        text_size: size of the numbers in pixels.
    """
    size = frame.shape[0], frame.shape[1]
    drawn = np.rint(0.6 * frame).astype(np.uint8)
    places = []
    for candidate in reversed(candidates):
        if candidate.mask is None or not candidate.mask.any():
            continue
        inside, colour = resize_mask(candidate.mask, size), candidate_colour(candidate)
        if candidate.is_meant:
            drawn[inside] = np.rint(0.6 * frame[inside] + 0.4 * np.array(colour))
        drawn[outline(inside.astype(np.uint8), 2 if candidate.is_meant else 1)] = colour
        places.append((candidate, _middle(inside), colour))
    picture = PillowImage.fromarray(drawn)
    draw, font = ImageDraw.Draw(picture), font_for("0", text_size)
    for candidate, (x, y), colour in places:
        text, edge = str(candidate.number), text_size // 4
        half = font.getlength(text) / 2 + edge
        # Whole numbers stay inside the panel.
        x, y = min(max(x, half), size[1] - half), min(max(y, text_size / 2 + edge), size[0] - text_size / 2 - edge)
        box = x - half, y - text_size / 2 - edge / 2, x + half, y + text_size / 2 + edge / 2
        draw.rounded_rectangle(box, edge, fill=colour if candidate.is_meant else (60, 60, 66))
        fill = (0, 0, 0) if candidate.is_meant else (255, 255, 255)
        draw.text((x, y), text, fill=fill, font=font, anchor="mm" if hasattr(font, "getbbox") else None)
    return np.asarray(picture)


@lru_cache(maxsize=1)
def _palette() -> npt.NDArray[np.uint8]:
    return overlay_colours(16)


def _middle(mask: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """x and y of a pixel inside a mask that is near its middle."""
    rows, columns = np.nonzero(mask)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2) if len(rows) else 0
    return (float(columns[nearest]), float(rows[nearest])) if len(rows) else (0.0, 0.0)
