"""The sentence says what decided."""

from __future__ import annotations

import numpy as np
import pytest
from explanations import LEFT, candidate, dense_explanation, explanation

from vlp_rvos.explaining.explanation import Explanation
from vlp_rvos.explaining.reasons import reason

EMPTY = np.zeros((48, 64), bool)
COUNTED = (candidate(1, 2.0, 0.9, "car"), candidate(3, -1.0, 0.0), candidate(2, -4.0, 0.9, "dog", is_counted=True))
BOTH = (candidate(1, 2.0, 0.9), candidate(2, 1.5, 0.8), candidate(3, -4.0, 0.0, "dog"))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            explanation(),
            'Candidate 1 (car) is painted: it scores 2.0 ("none" -0.5 and candidate 2 -1.5); '
            "presence 0.90 reaches the threshold 0.40.",
        ),
        (
            explanation(candidates=BOTH, threshold=0.2),
            'Candidates 1 and 2 are painted together: they score 2.0 and 1.5 ("none" -0.5 and candidate 3 (dog) -4.0); '
            "presence 0.90 reaches the threshold 0.20 (0.40 halved, because it was found in the clip before).",
        ),
        (
            explanation(candidates=COUNTED),
            'Candidate 1 (car) is painted: it scores 2.0 ("none" -0.5 and candidate 3 -1.0); the words mean several '
            "things, so the next best separate ones are painted too (candidate 2 (dog) -4.0); "
            "presence 0.90 reaches the threshold 0.40.",
        ),
        (
            explanation(none=3.0),
            'Candidate 1 (car) is painted: it scores 2.0, less than "none" (3.0), but not by enough to leave the mask '
            "empty; presence 0.90 reaches the threshold 0.40.",
        ),
        (
            explanation(mask=~LEFT.repeat(4, 0).repeat(4, 1)),
            'Candidate 1 (car) is painted: it scores 2.0 ("none" -0.5 and candidate 2 -1.5), though only 0 % of the '
            "mask lies there and the rest is the dense head's; presence 0.90 reaches the threshold 0.40.",
        ),
        (
            explanation(presence=0.1, none=3.0, mask=EMPTY),
            'Nothing is painted: "none" scores 3.0, more than the best, candidate 1 (car), with 2.0, so presence 0.10 '
            "is below the threshold 0.40.",
        ),
        (
            explanation(presence=0.1, mask=EMPTY),
            'Nothing is painted: the best, candidate 1 (car), scores 2.0, not enough more than "none" with -0.5, so '
            "presence 0.10 is below the threshold 0.40.",
        ),
        (
            explanation(presence=0.1, candidates=(), mask=EMPTY),
            "Nothing is painted: no candidate was found, and presence 0.10 is below the threshold 0.40.",
        ),
        (
            explanation(mask=EMPTY),
            "Nothing is painted: presence 0.90 reaches the threshold 0.40, but no pixel is likely enough to belong to "
            "it.",
        ),
        (dense_explanation(), "The mask of the dense head is painted; presence 0.90 reaches the threshold 0.40."),
        (
            dense_explanation(presence=0.1, mask=EMPTY),
            "Nothing is painted: presence 0.10 is below the threshold 0.40.",
        ),
    ],
)
def test_sentences(given: Explanation, sentence: str) -> None:
    assert reason(given) == sentence


def test_many_candidates_are_counted() -> None:
    many = tuple(candidate(number, 2.0 - number / 10, 0.9) for number in range(1, 8))
    assert "Candidates 1, 2, 3 and 4 (and 3 more) are painted together" in reason(explanation(candidates=many))
