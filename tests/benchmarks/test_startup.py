from __future__ import annotations

from pathlib import Path

import pytest
from scripts import load_benchmark, run_script


def test_help_is_compared_with_a_bare_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("startup", monkeypatch)
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(module, "starting", lambda *arguments: lambda: started.append(arguments))
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", "--rounds", 1)
    assert started == [("-m", "vlp_rvos", "--help"), ("-c", "pass")] * 2
    seconds = result["median_seconds"]
    assert [row["value"] for row in result["rows"]] == [seconds["help"], seconds["help"] / seconds["python"]]
