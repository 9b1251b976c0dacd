"""How well a model does on the held-out frames of a lesson, and what it still answers as before.

Shapes: E expressions, (H, W) pixels of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Image
from vlp_rvos.data.sources.described_pictures import DescribedPicture
from vlp_rvos.evaluation.picture_runner import mask_ious
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.media.rle import Rle, decode_mask, encode_mask

__all__ = ["EVERYDAY", "Answer", "LessonScores", "answers_of", "score_answers"]

#: What is asked beside the taught names, to notice what is forgotten.
EVERYDAY = ("the person", "the animal", "the car", "the chair", "the tree", "the thing on the left")


@dataclass(frozen=True)
class Answer:
    """What a model answers to one expression about one held-out frame.

    Attributes:
        picture: Name of the stored picture.
        text: The expression.
        meant: Ids of the things that it means there; None for an everyday phrase, which only shows what is kept.
        j: IoU with what is meant; None where nothing is meant, and for everyday phrases.
        mask: The mask.
    """

    picture: str
    text: str
    meant: tuple[str, ...] | None
    j: float | None
    mask: Rle

    @property
    def is_false(self) -> bool:
        """Whether nothing is meant; then the mask ought to be empty."""
        return self.meant == ()

    @property
    def is_everyday(self) -> bool:
        """Whether this is a phrase that only shows what is kept."""
        return self.meant is None


@dataclass(frozen=True)
class LessonScores:
    """Scores on the held-out frames, all in [0, 1].

    Attributes:
        j: Mean IoU with what the taught expressions mean.
        by_text: The same for each expression.
        false_alarms: Share of the taught names that mean nothing in a frame, but get a mask; 0 without any.
        kept: Mean IoU of the answers to everyday phrases with those before the lesson; 1 without any.
    """

    j: float
    by_text: dict[str, float]
    false_alarms: float
    kept: float

    def value(self, before: LessonScores) -> float:
        """What is gained, less half of what is lost elsewhere; 0 for no change."""
        return self.j - before.j - 0.5 * (self.false_alarms - before.false_alarms) - 0.5 * (1 - self.kept)


def answers_of(
    segmenter: Segmenter,
    pictures: Sequence[DescribedPicture],
    everyday: Sequence[str],
    *,
    on_picture: Callable[[int], object] = lambda _: None,
) -> list[Answer]:
    """Ask a model for everything that is said of held-out frames, each as a video of its own.

    Raises:
        UserError: A stored picture is missing or broken.
    """
    answers: list[Answer] = []
    for done, picture in enumerate(pictures, 1):
        answers += _answers(segmenter, picture, picture.load_image(), everyday)
        on_picture(done)
    return answers


def _answers(
    segmenter: Segmenter, picture: DescribedPicture, image: Image, everyday: Sequence[str]
) -> Iterator[Answer]:
    said = [text for text in everyday if all(text != x.text for x in picture.expressions)]
    (result,) = segmenter.segment([image], [*(x.text for x in picture.expressions), *said])
    things = {thing.id: thing for thing in picture.things}
    for expression, mask in zip(picture.expressions, result.masks, strict=False):
        meant = [things[i].mask() for i in expression.thing_ids]
        j = float(mask_ious(mask, np.logical_or.reduce(meant)[None])[0]) if meant else None
        yield Answer(picture.name, expression.text, expression.thing_ids, j, encode_mask(mask))
    for text, mask in zip(said, result.masks[len(picture.expressions) :], strict=True):
        yield Answer(picture.name, text, None, None, encode_mask(mask))


def score_answers(answers: Sequence[Answer], before: Sequence[Answer]) -> LessonScores:
    """Score answers.

    Args:
        answers: Answers to score.
        before: Answers of the model before the lesson, to the same expressions about the same frames.
    """
    by_text: dict[str, list[float]] = {}
    for answer in answers:
        if answer.j is not None:
            by_text.setdefault(answer.text, []).append(answer.j)
    alarms = [float(decode_mask(answer.mask).any()) for answer in answers if answer.is_false]
    pairs = [(decode_mask(a.mask), decode_mask(b.mask)) for a, b in zip(answers, before, strict=True) if a.is_everyday]
    # Two empty masks say little about what is kept.
    kept = [_iou(now, earlier) for now, earlier in pairs if now.any() or earlier.any()]
    return LessonScores(
        fmean(j for values in by_text.values() for j in values) if by_text else 0.0,
        {text: fmean(values) for text, values in by_text.items()},
        fmean(alarms) if alarms else 0.0,
        fmean(kept) if kept else 1.0,
    )


def _iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return float(mask_ious(one, other[None])[0])
