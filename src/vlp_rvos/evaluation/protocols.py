"""How each published benchmark is scored. Pure data: the command line reads it before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from vlp_rvos.errors import UserError

__all__ = ["DEFAULT_PROTOCOL", "PROTOCOLS", "Measure", "Protocol", "frames_to_score"]


class Measure(StrEnum):
    """What a benchmark reports."""

    expressions = "expressions"
    """J and F of each expression over its frames; mean over expressions."""
    annotators = "annotators"
    """J and F of each object over its frames, one image of object ids for each annotator; mean over annotators."""
    overlap = "overlap"
    """IoU of single images: overall IoU, mean IoU, and the share of images above several thresholds."""
    precision = "precision"
    """The same as `overlap`, and COCO's average precision."""


@dataclass(frozen=True)
class Protocol:
    """How a benchmark is scored.

    Attributes:
        summary: one line that describes the scores.
        measure: what the benchmark reports.
        split: the split that is scored by default.
        skip_ends: leave out the first and the last frame of every video, as DAVIS 2016 and 2017 (semi-supervised) do.
        resize: resize a predicted mask to the size of the true one, for data sets whose masks differ from their frames
            by rounding.
    """

    summary: str
    measure: Measure = Measure.expressions
    split: str = "val"
    skip_ends: bool = False
    resize: bool = False

    @property
    def scores_images(self) -> bool:
        """Whether each image is scored on its own, not as a frame of a video."""
        return self.measure in (Measure.overlap, Measure.precision)


DEFAULT_PROTOCOL = Protocol("J and F of all frames, mean over expressions")
"""The protocol of a data set that is not a published benchmark."""

_IMAGES = Protocol("overall IoU, mean IoU and P@K over expressions", Measure.overlap)

PROTOCOLS = {
    "ref-youtube-vos": Protocol("J and F of all frames, mean over expressions", split="valid"),
    "ref-davis17": Protocol("J and F of all frames, mean over objects, then over four annotations", Measure.annotators),
    "mevis": Protocol("J and F of all frames, mean over expressions", split="valid_u"),
    "a2d-sentences": Protocol("mAP, P@K and IoU of the annotated frames", Measure.precision, split="test", resize=True),
    "jhmdb-sentences": Protocol("mAP, P@K and IoU of three frames a video", Measure.precision, split="test"),
    "refcoco": _IMAGES,
    "refcoco+": _IMAGES,
    "refcocog": _IMAGES,
}
"""Name of a benchmark, as in `vlp_rvos.data.benchmarks` -> its protocol."""


def frames_to_score(frames: Sequence[str], video: str, skip_ends: bool) -> list[str]:
    """The frames of a video that are scored.

    Args:
        frames: names of all frames of the video.
        video: name of the video, for the message of an error.
        skip_ends: leave out the first and the last frame.

    Raises:
        UserError: no frame is left.
    """
    if not skip_ends:
        return list(frames)
    if len(frames) < 3:
        raise UserError(f"video {video} has {len(frames)} frame(s): nothing is left without the first and the last")
    return list(frames[1:-1])
