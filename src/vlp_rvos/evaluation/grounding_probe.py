"""The grounding probe: does a model choose by the words, and does it notice what is not there?

It asks about pairs of objects of which an expression names one, and about expressions of objects that are present or
absent. The clips come from the held-out part of the training data (`vlp_rvos.data.object_pairs`,
`vlp_rvos.data.mixture`). No model was trained on them, and unlike a test set they may be used to choose a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vlp_rvos.data.mixture import Mixture
from vlp_rvos.data.object_pairs import PAIR_KINDS, ObjectPair
from vlp_rvos.evaluation.prediction import Predictor

__all__ = ["GroundingScores", "PairScores", "absent_caught", "probe_grounding"]

MISSED_SHARE = 0.05
"""Share of the present objects that may stay below the threshold on presence."""


@dataclass(frozen=True)
class PairScores:
    """Scores on clips with two objects.

    Attributes:
        right: share of the expressions whose mask overlaps the named object more than the other one, in [0, 1].
        iou: mean IoU of the mask and the named object, all frames of a clip together, in [0, 1].
        count: number of expressions.
    """

    right: float
    iou: float
    count: int


@dataclass(frozen=True)
class GroundingScores:
    """Result of the grounding probe.

    Attributes:
        pairs: what the two objects of a pair differ in -> scores.
        threshold: presence, in [0, 1], that 95 % of the present objects reach.
        absent_caught: share of the absent objects whose presence is below the threshold, in [0, 1].
        present: number of expressions of present objects.
        absent: number of expressions of absent objects.
    """

    pairs: dict[str, PairScores]
    threshold: float
    absent_caught: float
    present: int
    absent: int

    def to_json(self) -> dict[str, object]:
        """The scores as plain values, as `vlp-rvos evaluate grounding --json` writes them."""
        return {
            "pairs": {kind: vars(scores) for kind, scores in self.pairs.items()},
            "presence": {
                "threshold": self.threshold,
                "absent_caught": self.absent_caught,
                "present": self.present,
                "absent": self.absent,
            },
        }


def probe_grounding(
    predict: Predictor,
    mixture: Mixture,
    pairs: int = 100,
    samples: int = 200,
    on_clip: Callable[[int], object] = lambda _: None,
) -> GroundingScores:
    """Ask a model about pairs of objects, and about present and absent objects.

    Args:
        predict: the model.
        mixture: the held-out split of the training data.
        pairs: number of clips of each kind of pair. Each clip is asked about twice.
        samples: number of samples of the mixture, for presence.
        on_clip: called after each clip with the number of clips done.

    Raises:
        UserError: the data cannot be read, or no pair can be made of it.
    """
    scores: dict[str, PairScores] = {}
    for kind, make in PAIR_KINDS.items():
        outcomes = []
        for index in range(pairs):
            outcomes += _ask(predict, make(mixture, index))
            on_clip(len(scores) * pairs + index + 1)
        right, ious = zip(*outcomes, strict=True)
        scores[kind] = PairScores(float(np.mean(right)), float(np.mean(ious)), len(outcomes))

    present: list[float] = []
    absent: list[float] = []
    for index in range(samples):
        sample = mixture.sample(index)
        frames = sample.frames.permute(0, 2, 3, 1).numpy()
        presences = np.array([frame.presences for frame in predict(frames, sample.expressions)])
        visible = sample.masks.flatten(2).any(-1).numpy()
        for expression in range(len(sample.expressions)):
            if visible[expression].any():
                present.append(float(presences[visible[expression], expression].mean()))
            else:
                absent.append(float(presences[:, expression].mean()))
        on_clip(len(PAIR_KINDS) * pairs + index + 1)
    return GroundingScores(scores, *absent_caught(present, absent), len(present), len(absent))


def absent_caught(present: Sequence[float], absent: Sequence[float]) -> tuple[float, float]:
    """How many absent objects a threshold on presence catches that accepts 95 % of the present ones.

    Args:
        present: presence of each present object, in [0, 1].
        absent: presence of each absent object, in [0, 1].

    Returns:
        The threshold, and the share of the absent objects below it.
    """
    threshold = float(np.quantile(present, MISSED_SHARE))
    return threshold, float(np.mean(np.array(absent) < threshold)) if len(absent) else 0.0


def _ask(predict: Predictor, pair: ObjectPair) -> list[tuple[bool, float]]:
    """For each expression: whether its mask fits the named object better than the other one, and its IoU."""
    masks = np.stack([frame.masks for frame in predict(pair.frames, list(pair.expressions))], axis=1)
    outcomes = []
    for named in range(2):
        ious = [
            float((masks[named] & truth).sum() / max((masks[named] | truth).sum(), 1))
            for truth in (pair.masks[named], pair.masks[1 - named])
        ]
        outcomes.append((ious[0] > ious[1], ious[0]))
    return outcomes
