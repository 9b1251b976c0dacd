from __future__ import annotations

from vlp_rvos.diagnosis.finding import Finding


def test_nothing_to_do_by_default() -> None:
    finding = Finding("memory", "8 GiB free")
    assert (finding.status, finding.advice, finding.data) == ("ok", None, {})
