"""A contact sheet: random expressions of a data set, each with a frame and its mask."""

from __future__ import annotations

import io
import random
import textwrap

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringExpression, ReferringVideo
from vlp_rvos.errors import UserError
from vlp_rvos.media.fonts import Font, drawable, font_for
from vlp_rvos.media.png_mark import mark_png
from vlp_rvos.media.resizing import resize_mask

__all__ = ["contact_sheet", "to_png"]

MAX_COLUMNS = 4
TILE = (320, 200)
"""Width and height of a frame on the sheet, in pixels."""
TEXT_HEIGHT, TEXT_LINES, FONT_SIZE = 16, 3, 13
MIN_LETTERS = 10
"""Number of letters that fit in a line under a frame, however wide they are."""

MARGIN = 8
MAX_FRAMES_TRIED = 8
"""Largest number of annotated frames to search for one in which the object is visible."""

BACKGROUND, TEXT, FAINT = (24, 24, 27), (244, 244, 245), (161, 161, 170)
MASK, OUTLINE = np.array([255, 64, 64]), np.array([255, 225, 90])


def contact_sheet(dataset: ReferringDataset, count: int = 12, seed: int = 0) -> Image.Image:
    """Draw a sheet of random expressions, from as many different videos as possible.

    Args:
        dataset: the data set.
        count: number of expressions; all of them if the data set has fewer.
        seed: seed of the random choice. The same seed gives the same sheet.

    Raises:
        UserError: the data set has no expressions, or a frame is missing or unreadable.
        ValueError: count is not positive.
    """
    if count < 1:
        raise ValueError(f"a sheet has at least one expression, not {count}")
    generator = random.Random(seed)
    chosen = _choose_expressions(dataset, count, generator)
    if not chosen:
        raise UserError(f"{dataset.name} {dataset.split} has no expressions to show")
    columns = min(MAX_COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    step = (TILE[0] + MARGIN, TILE[1] + (TEXT_LINES + 1) * TEXT_HEIGHT + MARGIN)
    sheet = Image.new("RGB", (columns * step[0] + MARGIN, rows * step[1] + MARGIN), BACKGROUND)
    for i, (video, expression) in enumerate(chosen):
        corner = (MARGIN + i % columns * step[0], MARGIN + i // columns * step[1])
        _draw_tile(sheet, corner, dataset, video, expression, generator)
    return sheet


def to_png(image: Image.Image) -> bytes:
    """Content of a PNG file with the image, marked as ours."""
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return mark_png(content.getvalue())


def _choose_expressions(
    dataset: ReferringDataset, count: int, generator: random.Random
) -> list[tuple[ReferringVideo, ReferringExpression]]:
    """Choose in rounds: each round takes one more expression of every video, in a random order of the videos."""
    remaining = {i: generator.sample(x, len(x)) for i, video in enumerate(dataset.videos) if (x := video.expressions)}
    chosen: list[tuple[ReferringVideo, ReferringExpression]] = []
    while remaining and len(chosen) < count:
        for i in generator.sample(list(remaining), min(len(remaining), count - len(chosen))):
            chosen.append((dataset.videos[i], remaining[i].pop()))
        remaining = {i: expressions for i, expressions in remaining.items() if expressions}
    return chosen


def _draw_tile(
    sheet: Image.Image,
    corner: tuple[int, int],
    dataset: ReferringDataset,
    video: ReferringVideo,
    expression: ReferringExpression,
    generator: random.Random,
) -> None:
    frame, mask = _choose_frame(dataset, video, expression, generator)
    image = dataset.load_frame(video.name, frame)
    picture = Image.fromarray(image if mask is None else _with_mask(image, mask))
    picture = ImageOps.contain(picture, TILE)
    left, top = corner
    sheet.paste(picture, (left + (TILE[0] - picture.width) // 2, top + (TILE[1] - picture.height) // 2))
    draw = ImageDraw.Draw(sheet)
    font = font_for(expression.text, FONT_SIZE)
    lines = _wrapped(drawable(expression.text, font), font)
    for i, line in enumerate(lines):
        draw.text((left, top + TILE[1] + i * TEXT_HEIGHT), line, font=font, fill=TEXT)
    note = f"{video.name} {frame}"
    if expression.annotator is not None:
        note += f", annotator {expression.annotator}"
    if expression.object_ids == ():
        note += ", refers to nothing"
    elif mask is None:
        note += ", no true mask"
    elif not mask.any():
        note += ", not in this frame"
    draw.text((left, top + TILE[1] + len(lines) * TEXT_HEIGHT), note, font=font, fill=FAINT)


def _choose_frame(
    dataset: ReferringDataset, video: ReferringVideo, expression: ReferringExpression, generator: random.Random
) -> tuple[str, NDArray[np.bool_] | None]:
    """A frame that shows the object, if one is found soon; else a frame with an annotation; else any frame."""
    frames = generator.sample(video.frames, len(video.frames))
    annotated: list[tuple[str, NDArray[np.bool_]]] = []
    for frame in frames:
        mask = dataset.load_mask(video.name, frame, expression)
        # Some data sets annotate few of their frames. Skipping the others costs little, so they do not count.
        if mask is None:
            continue
        if mask.any():
            return frame, mask
        annotated.append((frame, mask))
        if len(annotated) == MAX_FRAMES_TRIED:
            break
    return annotated[0] if annotated else (frames[0], None)


def _with_mask(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The frame (H, W, 3) with the mask (H, W) blended in and outlined."""
    height, width = image.shape[:2]
    # Some data sets round the sizes of frames and masks differently.
    mask = resize_mask(mask, (height, width))
    result = image.copy()
    result[mask] = (image[mask] + MASK) // 2
    # The line must be visible when the frame is a thumbnail.
    line = max(1, round(1.5 * width / TILE[0]))
    padded = np.pad(mask, line, mode="edge")
    inner = mask.copy()
    for down, right in ((0, line), (2 * line, line), (line, 0), (line, 2 * line)):
        inner &= padded[down : down + height, right : right + width]
    result[mask & ~inner] = OUTLINE
    return result


def _wrapped(text: str, font: Font) -> list[str]:
    """Break a text into at most `TEXT_LINES` lines that fit under a frame; an ellipsis stands for the rest."""
    letters = max(len(text), MIN_LETTERS)
    while True:
        lines = textwrap.wrap(text, letters, max_lines=TEXT_LINES, placeholder="...")
        if letters == MIN_LETTERS or all(font.getlength(line) <= TILE[0] for line in lines):
            return lines
        letters = max(MIN_LETTERS, round(letters * 0.95) - 1)
