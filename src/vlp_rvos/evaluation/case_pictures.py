"""Pictures of what went wrong: a frame with the predicted mask filled and the true one outlined."""

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

__all__ = ["Picture", "draw_cases", "draw_masks"]

PREDICTED, TRUE = np.array([255, 0, 170]), np.array([0, 255, 120])
WIDTH = 480
QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """A JPEG for a report.

    Attributes:
        video, expression: the row that it belongs to; the latter by its id.
        caption: what it shows.
        jpeg: content of the file.
    """

    video: str
    expression: str
    caption: str
    jpeg: bytes


def draw_cases(dataset: ReferringDataset, cases: Iterable[WorstCase]) -> list[Picture]:
    """Pictures of the worst cases of an evaluation, in their order.

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
        pictures.append(Picture(case.video, case.expression, caption, image))
    return pictures


def draw_masks(frame: NDArray[np.uint8], prediction: NDArray[np.bool_], truth: NDArray[np.bool_] | None) -> bytes:
    """A JPEG, at most `WIDTH` pixels wide.

    Args:
        frame: (H, W, 3) RGB.
        prediction: (H, W), filled; of about the frame's size.
        truth: (H, W), outlined; None leaves it out.
    """
    image = Image.fromarray(frame)
    if image.width > WIDTH:
        image = image.resize((WIDTH, max(1, round(image.height * WIDTH / image.width))), Image.Resampling.BOX)
    pixels = np.array(image)
    inside = resize_mask(prediction, image.size[::-1])
    pixels[inside] = (pixels[inside] + PREDICTED) // 2
    if truth is not None:
        edge = boundary_map(resize_mask(truth, image.size[::-1]))
        # Two pixels wide, so that it is seen.
        edge[1:] |= edge[:-1]
        edge[:, 1:] |= edge[:, :-1]
        pixels[edge] = TRUE
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
