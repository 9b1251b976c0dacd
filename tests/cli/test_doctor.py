from __future__ import annotations

import json

import pytest

from vlp_rvos.cli.app import main
from vlp_rvos.diagnosis.finding import Finding

FINE = Finding("memory", "8 GiB free", data={"available_bytes": 8})
GAP = Finding("extra clip", "models on CLIP: tokenizers not installed", "gap", "pip install it")
FAILURE = Finding("weights", "no weights found", "failure", "install again")


@pytest.mark.parametrize(
    ("findings", "code", "last"),
    [
        ([FINE, GAP], 0, "videos can be segmented here"),
        ([FINE, FAILURE, GAP], 1, "videos cannot be segmented here: weights"),
    ],
)
def test_findings_and_exit_code(
    findings: list[Finding],
    code: int,
    last: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vlp_rvos.diagnosis.examination.examine", lambda: iter(findings))
    assert main(["doctor"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok    memory: 8 GiB free"
    assert lines[-3:] == ["gap   extra clip: models on CLIP: tokenizers not installed", "      -> pip install it", last]
    assert main(["doctor", "--json"]) == code
    report = json.loads(capsys.readouterr().out)
    assert report["can_segment"] == (code == 0)
    assert [finding["topic"] for finding in report["findings"]] == [finding.topic for finding in findings]


@pytest.mark.slow
def test_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "videos can be segmented here"
