from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vlp_rvos.cli.app import main

FOUND = {
    "frames": 6,
    "height": 64,
    "width": 96,
    "model_over_tower": 2.5,
    "bf16_over_fp32": 0.75,
    "second_expression_over_first": 0.5,
    "training_step_over_forward": None,
}


def test_ratios_are_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def measure(model: str, **options: Any) -> SimpleNamespace:
        asked.append((model, options))
        return SimpleNamespace(to_json=lambda: FOUND)

    monkeypatch.setattr("vlp_rvos.profiling.overhead.measure_overhead", measure)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: asked.append(threads))
    file = tmp_path / "o.json"
    options = ["--model", "clip-b16", "--precision", "bf16", "--rounds", "3", "--no-training", "--threads", "2"]
    assert main(["bench", "overhead", *options, "--json", str(file)]) == 0
    assert asked == [2, ("clip-b16", {"precision": "bf16", "rounds": 3, "training": False})]
    assert json.loads(file.read_text()) == FOUND
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "clip-b16, clips of 6, 64x96, bf16"
    assert [(line.rsplit(maxsplit=1)[0].strip(), line.split()[-1]) for line in printed[1:]] == [
        ("whole model / bare frozen tower", "2.500"),
        ("whole model in bf16 / in fp32", "0.750"),
        ("a second expression / the first", "0.500"),
    ]
