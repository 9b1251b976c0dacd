from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from scripts import load_benchmark, run_script
from stubs import TinyBackbone, tiny_config


def test_both_forms_have_processes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("page_faults", monkeypatch)
    forms: list[str] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        forms.append(command[-1])
        number = 1.0 if forms[-1] == "kept" else 4.0
        return subprocess.CompletedProcess(command, 0, json.dumps({"faults": number, "seconds": number + 1}))

    monkeypatch.setattr(module.subprocess, "run", run)
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", "--rounds", 2)
    assert forms == ["default", "kept"] * 2
    assert [row["value"] for row in result["rows"]] == [0.25, 0.4]


def test_clips_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("page_faults", monkeypatch)
    monkeypatch.setattr(module, "random_backbone", lambda name: TinyBackbone())
    monkeypatch.setattr(module.ModelConfig, "preset", lambda name: tiny_config())
    found = module.run_clips("mini", 1)
    assert found["seconds"] > 0
    assert found["faults"] >= 0
