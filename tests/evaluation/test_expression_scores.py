"""Scores of one expression, and means of such scores."""

from __future__ import annotations

import pytest

from vlp_rvos.evaluation.davis import MaskScore, Statistics
from vlp_rvos.evaluation.expression_scores import ExpressionScores, Means


def test_scores_are_added_frame_by_frame() -> None:
    scores = ExpressionScores("the dog", "noun")
    assert scores.means is None
    assert scores.to_json() == {
        "expression": "the dog",
        "kind": "noun",
        **Means.unknown(),
        "J": [],
        "F": [],
        "presence": None,
    }
    scores.add(MaskScore(1.0, 1.0, predicted_area=0, true_area=0, common_area=0))
    assert (scores.has_target, scores.has_prediction) == (False, False)
    scores.add(MaskScore(0.0, 0.5, predicted_area=3, true_area=0, common_area=0))
    assert (scores.has_target, scores.has_prediction) == (False, True)
    scores.add(MaskScore(0.5, 0.75, predicted_area=1, true_area=2, common_area=1))
    assert (scores.has_target, scores.has_prediction) == (True, True)
    scores.presences += [0.5, 1.0, 0.75]
    written = scores.to_json()
    assert (written["J"], written["F"], written["presence"]) == ([1.0, 0.0, 0.5], [1.0, 0.5, 0.75], 0.75)
    assert (written["J_mean"], written["F_mean"], written["J&F"]) == (0.5, 0.75, 0.625)
    assert set(Means.unknown()) <= set(written)


def test_means_are_averaged_without_the_unknown_ones() -> None:
    first = Means(Statistics(0.2, 0.0, 0.5), Statistics(0.4, 1.0, 0.0))
    second = Means(Statistics(0.4, 1.0, -0.5), Statistics(0.8, 0.0, 0.0))
    mean = Means.over([first, None, second])
    assert mean is not None
    assert mean.j == pytest.approx((0.3, 0.5, 0.0))
    assert mean.f == pytest.approx((0.6, 0.5, 0.0))
    assert mean.j_and_f == pytest.approx(0.45)
    assert Means.over([None]) is None
