"""The scores of one frame: what a process of an evaluation gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlp_rvos.evaluation.coco_entries import CocoEntry
from vlp_rvos.evaluation.davis import MaskScore

__all__ = ["FrameScores", "ScoreMatrix"]


@dataclass(frozen=True, slots=True)
class ScoreMatrix:
    """The predicted objects of one annotator, each compared with every true object of the frame.

    Attributes:
        true_objects: ids of the true objects.
        scores: a row for each predicted object, with a score for each true object. The first rows are the objects with
            the ids of the true ones, in the same order; rows of other predicted ids follow.
    """

    true_objects: tuple[int, ...]
    scores: list[list[MaskScore]]


@dataclass
class FrameScores:
    """Scores of all expressions of a video in one frame.

    Attributes:
        scores: score of each expression; None where the frame or the expression has no true mask.
        coco_entries: masks of each expression, if the protocol scores images in COCO's formats; None as in `scores`.
        matrices: annotator -> scores of its objects, if the protocol scores annotators.
    """

    scores: list[MaskScore | None]
    coco_entries: list[CocoEntry | None] = field(default_factory=list)
    matrices: dict[str, ScoreMatrix] = field(default_factory=dict)
