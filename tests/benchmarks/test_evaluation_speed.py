"""The script runs and says what it should; not how fast it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts import load_benchmark, run_script


def test_ours_is_compared_with_the_plain_computation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("evaluation_speed", monkeypatch)
    for name, value in {"HEIGHT": 160, "WIDTH": 400, "OBJECTS": 1, "EXPRESSIONS": 2}.items():
        monkeypatch.setattr(module, name, value)
    arguments = ["--videos", 1, "--frames", 2, "--rounds", 1, "--workers", 1]
    code, result = run_script(module, monkeypatch, tmp_path / "out.json", *arguments)
    assert result["masks"] == 4
    assert result["largest_difference"] <= 1e-9
    assert result["ratio"] == result["median_seconds"]["plain"] / result["median_seconds"]["ours"]
    assert code == (result["ratio"] < 3)
