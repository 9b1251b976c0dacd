from __future__ import annotations

from pathlib import Path

import pytest
from scripts import load_benchmark, run_script
from stubs import tiny_model


def test_the_whole_command_is_compared_with_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("segment_command", monkeypatch)
    model = tiny_model().eval()
    model.backbone.embedding_cost = 1.0
    monkeypatch.setattr(module, "build_model", lambda name: model)
    options = ["--width", 64, "--height", 48, "--frames", 7, "--rounds", 1, "--threads", 1]
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", *options)
    assert result["frames"] == 7
    seconds, processor = result["median_seconds"], result["processor_seconds"]
    assert set(seconds) == {"model", "command", "command, no overlay", "command, without pipelined embedding"}
    assert [row["value"] for row in result["rows"]] == [
        seconds["command"] / seconds["model"],
        seconds["command, no overlay"] / seconds["model"],
        1 + processor["decode and encode"] / processor["model"],
        1 + processor["decode"] / processor["model"],
        seconds["command"] / seconds["command, without pipelined embedding"],
    ]
