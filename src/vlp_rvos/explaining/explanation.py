"""What a model computes about one expression in one frame on the way to its mask.

Shapes: W words of the expression, N candidates, (h', w') patch grid, (h, w) network input size in pixels, (H, W) the
video's own size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Floats

__all__ = ["CHOICE", "FUSION", "REASONING", "Candidate", "Explanation", "WordReading"]

#: Names of the parts of the model that attend to words.
FUSION, REASONING, CHOICE = "fusion", "reasoning", "choice"

#: Membership from which a candidate counts as meant.
MEANT = 0.5


@dataclass(frozen=True)
class Candidate:
    """A separate thing of the clip, which the model proposes without words.

    Attributes:
        number: number of the thing, from 1; it stays the same from clip to clip while the thing is followed.
        label: what the detector takes it for, one of the classes of COCO; None where it is not sure.
        score: score for the expression, averaged with that of earlier clips.
        membership: how much it belongs to what is meant, in [0, 1].
        is_counted: whether it belongs to it because the words mean several things, whatever its score.
        objectness: probability of being a thing, in [0, 1].
        mask: (h/4, w/4) bool mask; None where the thing is not seen in this frame.
    """

    number: int
    label: str | None
    score: float
    membership: float
    is_counted: bool
    objectness: float
    mask: npt.NDArray[np.bool_] | None

    @property
    def is_meant(self) -> bool:
        """Whether it is one of those that the expression means, if it means any."""
        return self.membership >= MEANT


@dataclass(frozen=True)
class WordReading:
    """What one word of an expression does.

    Attributes:
        text: the word.
        score_map: (h', w') text-pixel score map of the word by itself, in [0, 1]; the model reads only that of the
            whole expression. None where the model has no score map.
        attention: part of the model (`FUSION`, `REASONING`, `CHOICE`) -> share of the attention to all tokens that
            goes to the word, in [0, 1]. The rest goes to other words and to the marks of the text's start and end. In
            fusion and reasoning the patches attend, weighted by the probability of the dense head's mask; in the choice
            the best candidate, or "none" where that scores more. Parts that a model lacks are left out.
    """

    text: str
    score_map: Floats | None
    attention: dict[str, float]


@dataclass(frozen=True)
class Explanation:
    """What the model computes about one expression in one frame.

    Attributes:
        expression: the expression.
        words: its words, in order.
        score_map: (h', w') text-pixel score map of the whole expression, in [0, 1]; None where the model has none.
        dense_mask: (h, w) probabilities of the dense head's mask, before candidates and the memory of earlier masks.
        dense_presence: presence that the dense head sees, in [0, 1]; None where the model predicts none.
        candidates: the candidates, the best score first; empty where the model has none, or found none.
        has_candidates: whether the model proposes candidates.
        none: score of "none"; None where the model has no candidates.
        presence: probability that what is meant is in the frame, in [0, 1].
        threshold: presence below which the mask is left empty.
        usual_threshold: the same where nothing was found in the clip before.
        mask: (H, W) bool, the mask of the result.
        score: score of the result, in [0, 1].
    """

    expression: str
    words: tuple[WordReading, ...]
    score_map: Floats | None
    dense_mask: Floats
    dense_presence: float | None
    candidates: tuple[Candidate, ...]
    has_candidates: bool
    none: float | None
    presence: float
    threshold: float
    usual_threshold: float
    mask: npt.NDArray[np.bool_]
    score: float

    @property
    def meant(self) -> tuple[Candidate, ...]:
        """The candidates that are meant, if any is; the best score first."""
        return tuple(candidate for candidate in self.candidates if candidate.is_meant)

    @property
    def is_present(self) -> bool:
        """Whether presence reaches its threshold."""
        return self.presence >= self.threshold
