from __future__ import annotations

from pathlib import Path

import pytest
from scripts import load_benchmark, run_script


def test_each_step_is_timed_for_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("word_pieces", monkeypatch)
    started: list[str] = []
    monkeypatch.setattr(module, "starting", lambda code: lambda: started.append(code))
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", "--rounds", 1)
    assert started == ["pass", "import tokenizers"] * 2
    values = {row["what"]: row["value"] for row in result["rows"]}
    seconds = result["median_seconds"]
    assert values["word pieces: our ids of an expression"] == pytest.approx(1e6 * seconds["our ids"] / 3)
    assert values["word pieces: its reading of the vocabulary"] == pytest.approx(1000 * seconds["its vocabulary"])
    assert len(values) == 5


def test_different_ids_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("word_pieces", monkeypatch)
    monkeypatch.setattr(module, "EXPRESSIONS", ["a\U0002b820"])
    with pytest.raises(AssertionError, match="the ids differ"):
        run_script(module, monkeypatch, tmp_path / "out.json", "--rounds", 1)
