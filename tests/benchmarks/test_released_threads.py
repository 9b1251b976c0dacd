from __future__ import annotations

from pathlib import Path

import pytest
from scripts import load_benchmark, run_script
from stubs import TinyBackbone, tiny_config


def test_released_threads_are_compared_with_kept_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("released_threads", monkeypatch)
    released: list[bool] = []
    monkeypatch.setattr(module, "release_threads", lambda: released.append(True) or True)
    monkeypatch.setattr(module, "random_backbone", lambda name: TinyBackbone())
    monkeypatch.setattr(module.ModelConfig, "preset", lambda name: tiny_config())
    options = ["--size", 32, 32, "--clips", 1, "--rounds", 1, "--threads", 1]
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", *options)
    assert len(released) == 2
    seconds = result["median_seconds"]
    assert result["rows"][0]["value"] == seconds["released"] / seconds["kept"]
