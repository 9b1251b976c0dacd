"""Pictures of the worst cases: a frame with the predicted mask filled and the true one outlined."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset
from vlp_rvos.evaluation.dataset_scores import WorstCase
from vlp_rvos.evaluation.davis import boundary_map
from vlp_rvos.media.resizing import resize_mask

__all__ = ["CasePicture", "draw_cases", "draw_masks"]

PREDICTED_COLOUR, TRUE_COLOUR = np.array([255, 0, 170]), np.array([0, 255, 120])
MAX_WIDTH = 480
JPEG_QUALITY = 82


@dataclass(frozen=True)
class CasePicture:
    """A picture for a report.

    Attributes:
        video: name of the video.
        expression: id of the expression.
        caption: frame and scores of the picture.
        jpeg: content of a JPEG file.
    """

    video: str
    expression: str
    caption: str
    jpeg: bytes


def draw_cases(dataset: ReferringDataset, cases: Iterable[WorstCase]) -> list[CasePicture]:
    """Draw the worst cases of an evaluation, in their order.

    Raises:
        UserError: a frame or its annotation cannot be read.
    """
    expressions = {(video.name, x.id): x for video in dataset.videos for x in video.expressions}
    pictures = []
    for case in cases:
        frame = dataset.load_frame(case.video, case.frame)
        truth = dataset.load_mask(case.video, case.frame, expressions[case.video, case.expression])
        image = draw_masks(frame, case.mask.unpack()[0], truth)
        caption = f"frame {case.frame}: J {100 * case.score.j:.1f}, F {100 * case.score.f:.1f}"
        pictures.append(CasePicture(case.video, case.expression, caption, image))
    return pictures


def draw_masks(frame: NDArray[np.uint8], prediction: NDArray[np.bool_], truth: NDArray[np.bool_] | None) -> bytes:
    """Draw a predicted and a true mask on a frame.

    Args:
        frame: the frame, (H, W, 3) uint8 RGB.
        prediction: the predicted mask, which is filled; (H, W) bool, or a little larger or smaller.
        truth: the true mask, which is outlined; (H, W) bool, or None to draw no outline.

    Returns:
        Content of a JPEG file, at most `MAX_WIDTH` pixels wide.
    """
    image = Image.fromarray(frame)
    if image.width > MAX_WIDTH:
        image = image.resize((MAX_WIDTH, max(1, round(image.height * MAX_WIDTH / image.width))), Image.Resampling.BOX)
    pixels = np.array(image)
    inside = resize_mask(prediction, image.size[::-1])
    pixels[inside] = (pixels[inside] + PREDICTED_COLOUR) // 2
    if truth is not None:
        edge = boundary_map(resize_mask(truth, image.size[::-1]))
        # A line of one pixel is hard to see; this makes it two pixels wide.
        edge[1:] |= edge[:-1]
        edge[:, 1:] |= edge[:, :-1]
        pixels[edge] = TRUE_COLOUR
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
