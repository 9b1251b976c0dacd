from __future__ import annotations

from pathlib import Path

import pytest
from scripts import load_benchmark, run_script


def test_rates_follow_from_the_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("roofline", monkeypatch)
    monkeypatch.setattr(module, "time_alternately", lambda forms, rounds: dict.fromkeys(forms, 0.5))
    size = ["--side", 10, "--megabytes", 1, "--threads", 1]
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", *size)
    assert result["flops_per_second"] == {"float32": 4000.0, "bfloat16": 4000.0}
    assert result["bytes_per_second"] == 2 * 2**20 / 0.5
    assert result["threads"] == 1
