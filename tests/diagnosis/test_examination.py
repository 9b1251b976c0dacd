from __future__ import annotations

from collections.abc import Iterator

import pytest

from vlp_rvos.diagnosis import examination
from vlp_rvos.diagnosis.examination import examine
from vlp_rvos.diagnosis.finding import Finding


def test_a_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Finding]:
        yield Finding("first", "fine")
        raise RuntimeError("no such library")

    monkeypatch.setattr("vlp_rvos.diagnosis.packages.diagnose_packages", broken)
    monkeypatch.setattr("vlp_rvos.diagnosis.machine.diagnose_machine", lambda: iter([Finding("last", "fine")]))
    monkeypatch.setattr(examination, "CHECKS", examination.CHECKS[:2])
    assert [(finding.topic, finding.status) for finding in examine()] == [
        ("first", "ok"),
        ("packages", "failure"),
        ("last", "ok"),
    ]
