"""Draws training samples on one picture, to see what a model is trained on."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vlp_rvos.data.synthesis.sample import Sample

__all__ = ["render_sheet"]

_PALETTE = ((255, 60, 60), (60, 200, 255), (90, 255, 90), (255, 200, 40), (220, 90, 255), (255, 255, 255))


def render_sheet(samples: Sequence[Sample], path: str | Path, frames: int = 4, width: int = 230) -> None:
    """Draws samples with their masks and expressions on one contact sheet.

    Args:
        samples: The samples, one row each.
        path: The PNG file to write.
        frames: How many frames of each sample are shown, evenly spaced.
        width: Width of one frame on the sheet, in pixels.

    Example:
        >>> mixture = build_mixture(MixtureConfig(root="data"))                                      # doctest: +SKIP
        >>> render_sheet([mixture.sample(index) for index in range(8)], "sheet.png")                 # doctest: +SKIP
    """
    font, rows = ImageFont.load_default(size=15), []
    for sample in samples:
        count, _, full_height, full_width = sample.frames.shape
        height = round(width * full_height / full_width)
        shown = np.linspace(0, count - 1, min(frames, count)).round().astype(int)
        lines = [
            (line, _PALETTE[e % len(_PALETTE)])
            for e, (expression, kind) in enumerate(zip(sample.expressions, sample.kinds, strict=True))
            for line in textwrap.wrap(f"{expression} [{kind}]", 48)
        ]
        row = Image.new("RGB", (width * len(shown) + 370, max(height, 19 * len(lines) + 4)))
        for column, f in enumerate(shown):
            picture = sample.frames[f].permute(1, 2, 0).numpy().astype(np.float32)
            for e, mask in enumerate(sample.masks[:, f].numpy()):
                tint = np.array(_PALETTE[e % len(_PALETTE)], dtype=np.float32)
                inner = np.zeros_like(mask)
                inner[2:-2, 2:-2] = mask[:-4, 2:-2] & mask[4:, 2:-2] & mask[2:-2, :-4] & mask[2:-2, 4:]
                picture[mask] = 0.75 * picture[mask] + 0.25 * tint
                picture[mask & ~inner] = tint
            row.paste(Image.fromarray(picture.astype(np.uint8)).resize((width, height)), (column * width, 0))
        draw = ImageDraw.Draw(row)
        for number, (line, colour) in enumerate(lines):
            draw.text((width * len(shown) + 6, 2 + 19 * number), line, fill=colour, font=font)
        rows.append(row)
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height + 3 for row in rows)))
    y = 0
    for row in rows:
        sheet.paste(row, (0, y))
        y += row.height + 3
    sheet.save(path)
