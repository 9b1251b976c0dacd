"""Does a model listen? Pairs of which the words name one, and expressions of what is not there.

The clips come from the held-out part of the training data (`vlp_rvos.data.pairs`, `vlp_rvos.data.mixture`): nothing of
it was trained on, and unlike a test set it may be used to choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.mixture import Mixture
from vlp_rvos.data.pairs import PAIR_KINDS, Pair

__all__ = ["Listening", "PairScores", "absent_caught", "measure_listening"]


class Prediction(Protocol):
    """Of one frame: masks (E, H, W) bool and presences (E,) in 0 .. 1."""

    @property
    def masks(self) -> NDArray[np.bool_]: ...
    @property
    def presences(self) -> Sequence[float] | NDArray[np.float32]: ...


Predict = Callable[[Iterable[NDArray[np.uint8]], list[str]], Iterable[Prediction]]


@dataclass(frozen=True)
class PairScores:
    """Of clips with two things.

    Attributes:
        right: share of expressions whose mask overlaps what they name more than the other thing.
        iou: mean IoU with what they name, all frames of a clip together.
        count: expressions.
    """

    right: float
    iou: float
    count: int


@dataclass(frozen=True)
class Listening:
    """All of it.

    Attributes:
        pairs: what the two things differ in -> scores.
        threshold: presence that 95 % of what is there reaches.
        absent_caught: share of the expressions of what is not there that stay below it.
        present, absent: how many expressions of each.
    """

    pairs: dict[str, PairScores]
    threshold: float
    absent_caught: float
    present: int
    absent: int

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "pairs": {kind: vars(scores) for kind, scores in self.pairs.items()},
            "presence": {
                "threshold": self.threshold,
                "absent_caught": self.absent_caught,
                "present": self.present,
                "absent": self.absent,
            },
        }


def measure_listening(
    predict: Predict,
    mixture: Mixture,
    pairs: int = 100,
    samples: int = 200,
    on_clip: Callable[[int], object] = lambda _: None,
) -> Listening:
    """Ask a model about pairs and about what is not there.

    Args:
        predict: frames (H, W, 3) uint8 and expressions -> one prediction a frame.
        mixture: the held-out split.
        pairs: clips of each kind; each is asked about twice.
        samples: of the mixture, for presence.
        on_clip: called after each clip with how many are done.

    Raises:
        UserError: the data cannot be read, or has too little for a pair.
    """
    scores: dict[str, PairScores] = {}
    for kind, make in PAIR_KINDS.items():
        outcomes = []
        for index in range(pairs):
            outcomes += _ask(predict, make(mixture, index))
            on_clip(len(scores) * pairs + index + 1)
        right, ious = zip(*outcomes, strict=True)
        scores[kind] = PairScores(float(np.mean(right)), float(np.mean(ious)), len(outcomes))

    there: list[float] = []
    not_there: list[float] = []
    for index in range(samples):
        sample = mixture.sample(index)
        frames = sample.frames.permute(0, 2, 3, 1).numpy()
        presences = np.array([frame.presences for frame in predict(frames, sample.expressions)])
        seen = sample.masks.flatten(2).any(-1).numpy()
        for expression in range(len(sample.expressions)):
            if seen[expression].any():
                there.append(float(presences[seen[expression], expression].mean()))
            else:
                not_there.append(float(presences[:, expression].mean()))
        on_clip(len(PAIR_KINDS) * pairs + index + 1)
    return Listening(scores, *absent_caught(there, not_there), len(there), len(not_there))


def absent_caught(there: Sequence[float], not_there: Sequence[float]) -> tuple[float, float]:
    """The presence that 95 % of what is there reaches, and the share of what is not there that stays below it."""
    threshold = float(np.quantile(there, 0.05))
    return threshold, float(np.mean(np.array(not_there) < threshold)) if len(not_there) else 0.0


def _ask(predict: Predict, pair: Pair) -> list[tuple[bool, float]]:
    """For each of the two expressions: does its mask fit its own thing better, and how well."""
    masks = np.stack([frame.masks for frame in predict(pair.frames, list(pair.expressions))], axis=1)
    outcomes = []
    for own in range(2):
        ious = [
            float((masks[own] & truth).sum() / max((masks[own] | truth).sum(), 1))
            for truth in (pair.masks[own], pair.masks[1 - own])
        ]
        outcomes.append((ious[0] > ious[1], ious[0]))
    return outcomes
