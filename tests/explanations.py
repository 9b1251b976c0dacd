"""Explanations whose numbers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from clips import frames

from vlp_rvos.explaining.explanation import Candidate, Explanation, WordReading
from vlp_rvos.results import FrameResult

SIZE = (48, 64)
LEFT, RIGHT = np.zeros((2, 12, 16), bool)
LEFT[2:10, 1:6] = True
RIGHT[2:10, 9:15] = True


def candidate(
    number: int, score: float, membership: float, label: str | None = None, *, is_counted: bool = False
) -> Candidate:
    return Candidate(number, label, score, membership, is_counted, 0.5, LEFT if number % 2 else RIGHT)


def explanation(**changes: object) -> Explanation:
    """The left one of two things is meant and painted."""
    mask = LEFT.repeat(4, 0).repeat(4, 1)
    ramp = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    words = tuple(
        WordReading(word, ramp, {"fusion": 0.25, "reasoning": 0.5, "choice": 1.0}) for word in ("the", "red", "car")
    )
    best = (candidate(1, 2.0, 0.97, "car"), candidate(2, -1.5, 0.02))
    full = Explanation(
        "the red car", words, ramp, mask.astype(np.float32), 0.8, best, True, -0.5, 0.9, 0.4, 0.4, mask, 0.85
    )
    return replace(full, **changes)  # type: ignore[arg-type]


def dense_explanation(**changes: object) -> Explanation:
    """Of a model without candidates."""
    return explanation(candidates=(), has_candidates=False, none=None, **changes)


def result_of(*explanations: Explanation, index: int = 0) -> FrameResult:
    """The result that explanations are about."""
    return FrameResult(
        index,
        index / 10,
        frames(1)[0],
        np.stack([each.mask for each in explanations]),
        np.array([each.score for each in explanations], np.float32),
        np.array([each.presence for each in explanations], np.float32),
        tuple(each.expression for each in explanations),
        f"{index:05d}",
    )
