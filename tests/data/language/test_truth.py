"""Truth with three values."""

from __future__ import annotations

from vlp_rvos.data.language.truth import false_if


def test_a_refutation_proves_nothing() -> None:
    assert false_if(True) is False
    assert false_if(False) is None
