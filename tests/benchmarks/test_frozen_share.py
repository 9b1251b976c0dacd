from __future__ import annotations

from pathlib import Path

import pytest
from clips import noise, write_folder
from scripts import load_benchmark, run_script


def test_ratios_follow_from_the_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_folder(tmp_path / "video", noise(1, size=(64, 36)) * 2)
    module = load_benchmark("frozen_share", monkeypatch)
    options = ["a dog", "a cat", "a cow", "--rounds", 1, "--frames", 1]
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", video, *options)
    seconds = result["seconds"]
    assert result["frames"] == 1
    assert [row["value"] for row in result["rows"]] == [
        seconds["dense head"] / seconds["stem"],
        seconds["model"] / seconds["stem"],
        seconds["model"] / seconds["frozen networks"],
        (seconds["model, all expressions"] - seconds["model"]) / 2 / seconds["model"],
    ]
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", video, "a dog", "--rounds", 1)
    assert result["frames"] == 2
    assert len(result["rows"]) == 3
