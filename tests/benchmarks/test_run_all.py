from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from scripts import ROOT, load_benchmark


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_benchmark("run_all", monkeypatch)


def test_every_command_runs_a_script_or_the_program(script: ModuleType) -> None:
    for tiny in (False, True):
        for command in script.commands(2, tiny).values():
            assert Path(command[1]).is_file() or command[1:3] == ["-m", "vlp_rvos"]
            assert command[command.index("--json") + 1] == "{json}"
    used = {Path(command[1]).name for command in script.commands(2, False).values()}
    assert used < {file.name for file in (ROOT / "benchmarks").glob("*.py")} | {"-m"}


def test_results_are_collected_and_failures_are_named(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overhead = {"model_over_tower": 1.6, "second_expression_over_first": 0.2, "training_step_over_forward": None}

    def run(command: list[str], **_: object) -> SimpleNamespace:
        file = Path(command[command.index("--json") + 1])
        if file.stem == "memory":
            return SimpleNamespace(returncode=1)
        rows = [{"what": f"{file.stem}, ratio", "value": 0.5, "at_most": None, "unit": ""}]
        file.write_text(json.dumps(overhead if file.stem.startswith("overhead") else {"rows": rows}))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(script.subprocess, "run", run)
    arguments = ["run_all.py", "-o", str(tmp_path), "--only", "startup", "memory", "overhead-mini"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert script.main() == 1
    assert "memory: 0 s FAILED" in capsys.readouterr().out
    table = json.loads((tmp_path / "table.json").read_text())
    assert [(row["what"], row["value"], row["at_most"]) for row in table] == [
        ("startup, ratio", 0.5, None),
        ("mini: model over tower", 1.6, 1.7),
        ("mini: second expression over first", 0.2, 0.75),
    ]
    assert (tmp_path / "table.md").read_text().count("\n") == 5
    # What an earlier run left stays in the table.
    monkeypatch.setattr(sys, "argv", ["run_all.py", "-o", str(tmp_path), "--only", "frame-work"])
    assert script.main() == 0
    assert len(json.loads((tmp_path / "table.json").read_text())) == 4


def test_an_unknown_benchmark_is_named(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["run_all.py", "--only", "nothing"])
    with pytest.raises(SystemExit):
        script.main()
    assert "no such benchmark: nothing" in capsys.readouterr().err
