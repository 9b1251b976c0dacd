from __future__ import annotations

from pathlib import Path

import pytest
from scripts import load_benchmark, run_script


@pytest.mark.slow
def test_half_of_everything_lies_in_each_of_two_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("training_memory", monkeypatch)
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", "--models", "mini")
    whole, shared = result["bytes"]["mini, ddp, 1 process"], result["bytes"]["mini, fsdp, 2 processes"]
    for kind in ("parameters", "gradients", "optimizer", "average"):
        assert 0.5 * whole[kind] <= shared[kind] < 0.51 * whole[kind]
    assert whole["parameters in a clip"] == whole["parameters"]
    assert shared["parameters"] < shared["parameters in a clip"] < 0.9 * whole["parameters"]
