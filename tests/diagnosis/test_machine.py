from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vlp_rvos.diagnosis import machine
from vlp_rvos.diagnosis.finding import Finding
from vlp_rvos.diagnosis.machine import available_memory, diagnose_machine


def found() -> dict[str, Finding]:
    return {finding.topic: finding for finding in diagnose_machine()}


def test_what_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_cores", lambda: torch.get_num_threads())
    findings = found()
    assert {"processor", "memory", "CUDA", "temporary folder", "cache of exports", "working folder"} <= findings.keys()
    assert findings["processor"].status == "ok"
    assert findings["processor"].data["cores"] >= 1
    free = available_memory()
    assert free is None or free > 0
    monkeypatch.setattr(machine, "available_cores", lambda: 1000)
    assert found()["processor"].advice == "PyTorch could use 1000 threads; unset OMP_NUM_THREADS if you have set it"


def test_little_memory_and_no_place_to_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "available_memory", lambda: 10**8)

    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", full)
    findings = found()
    assert findings["memory"].status == "gap"
    assert findings["memory"].advice
    assert findings["temporary folder"].status == findings["working folder"].status == "failure"
    assert "No space left" in findings["working folder"].text
    assert findings["cache of exports"].status == "gap"


def test_paths_below_home_are_short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert found()["cache of exports"].data["folder"] == "~/cache/vlp-rvos/exported"
