"""N-acc and T-acc."""

from __future__ import annotations

from vlp_rvos.evaluation.target_accuracy import target_accuracy


def test_shares_of_right_answers() -> None:
    with_target = [(True, True), (True, True), (True, False), (True, True)]
    without_target = [(False, False), (False, True)]
    assert target_accuracy(with_target + without_target) == (0.5, 0.75)
    assert target_accuracy(with_target) == (None, 0.75)
    assert target_accuracy(without_target) == (0.5, None)
    assert target_accuracy([]) == (None, None)
