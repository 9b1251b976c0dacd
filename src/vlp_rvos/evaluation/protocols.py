"""How each published benchmark is scored. Pure data: the command line reads it before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from vlp_rvos.errors import UserError

__all__ = ["FOLDER", "PROTOCOLS", "Measure", "Protocol"]


class Measure(StrEnum):
    """What a benchmark reports."""

    expressions = "expressions"
    """J and F over the frames of each expression; mean over expressions."""
    annotators = "annotators"
    """J and F over the frames of each object, in one palette image for each annotator; mean over annotators."""
    overlap = "overlap"
    """IoU of single pictures: overall, mean, and the share above thresholds."""
    precision = "precision"
    """The same, and COCO's average precision."""


@dataclass(frozen=True)
class Protocol:
    """How a benchmark is scored.

    Attributes:
        summary: in one line.
        measure: what is reported.
        split: that is scored unless another one is asked for.
        skip_ends: every video's first and last frame are left out, as DAVIS 2016 and 2017 (semi-supervised) do.
        resize: predictions are brought to the size of the true masks where those differ by rounding.
    """

    summary: str
    measure: Measure = Measure.expressions
    split: str = "val"
    skip_ends: bool = False
    resize: bool = False

    @property
    def in_pictures(self) -> bool:
        """Whether pictures are scored on their own, not as parts of videos."""
        return self.measure in (Measure.overlap, Measure.precision)


FOLDER = Protocol("J and F of all frames, mean over expressions")
"""Of a folder in the Ref-YouTube-VOS layout that is no published benchmark."""

_PICTURES = Protocol("overall IoU, mean IoU and P@K over expressions", Measure.overlap)

PROTOCOLS = {
    "ref-youtube-vos": Protocol("J and F of all frames, mean over expressions", split="valid"),
    "ref-davis17": Protocol("J and F of all frames, mean over objects, then over four annotations", Measure.annotators),
    "mevis": Protocol("J and F of all frames, mean over expressions", split="valid_u"),
    "a2d-sentences": Protocol("mAP, P@K and IoU of the annotated frames", Measure.precision, split="test", resize=True),
    "jhmdb-sentences": Protocol("mAP, P@K and IoU of three frames a video", Measure.precision, split="test"),
    "refcoco": _PICTURES,
    "refcoco+": _PICTURES,
    "refcocog": _PICTURES,
}
"""By the names of `vlp_rvos.data.benchmarks`."""


def inner_frames(frames: Sequence[str], video: str, skip_ends: bool) -> list[str]:
    """The frames of a video that are scored.

    Raises:
        UserError: none is left.
    """
    if not skip_ends:
        return list(frames)
    if len(frames) < 3:
        raise UserError(f"video {video} has {len(frames)} frame(s): nothing is left without the first and the last")
    return list(frames[1:-1])
