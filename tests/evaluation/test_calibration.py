"""Reliability diagrams and the expected calibration error, by hand."""

from __future__ import annotations

import pytest

from vlp_rvos.evaluation.calibration import ReliabilityBin, calibration_error, equal_count_bins, equal_width_bins

PROBABILITIES = [0.1, 0.2, 0.6, 1.0]
TRUTH = [False, True, True, True]


def test_bins_of_equal_width() -> None:
    bins = equal_width_bins(PROBABILITIES, TRUTH, bins=2)
    assert bins == [ReliabilityBin(2, pytest.approx(0.15), 0.5), ReliabilityBin(2, 0.8, 1.0)]
    assert calibration_error(bins) == pytest.approx(0.5 * 0.35 + 0.5 * 0.2)
    # The edge belongs to the bin above it.
    assert [one.count for one in equal_width_bins([0.5, 0.4], [True, True], bins=2)] == [1, 1]
    assert len(equal_width_bins(PROBABILITIES, TRUTH)) == 4


def test_bins_of_equal_count() -> None:
    bins = equal_count_bins([1.0, 0.1, 0.6, 0.2, 0.3], [True, False, True, True, False], bins=2)
    assert [(one.count, one.predicted, one.true) for one in bins] == [
        (3, pytest.approx(0.2), pytest.approx(1 / 3)),
        (2, pytest.approx(0.8), 1.0),
    ]
    assert len(equal_count_bins(PROBABILITIES, TRUTH)) == 4


def test_certain_and_right_is_calibrated() -> None:
    assert calibration_error(equal_width_bins([0.0, 1.0, 1.0], [False, True, True])) == 0


def test_nothing_to_score() -> None:
    assert equal_width_bins([], []) == equal_count_bins([], []) == []
    assert calibration_error([]) is None
