from __future__ import annotations

from pathlib import Path

import pytest
from scripts import ROOT, load_benchmark, run_script

pytest.importorskip("resource")


@pytest.mark.slow
def test_memory_above_the_weights_is_measured_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_benchmark("peak_memory", monkeypatch)
    monkeypatch.setattr(module, "__name__", str(ROOT / "benchmarks" / "peak_memory.py"))
    options = ["--model", "mini", "--size", 64, 64, "--frames", 1, "--clips", 1, "--threads", 1]
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", *options)
    found = result["bytes"]
    assert 0 < found["loaded_resident"] <= found["peak"]
    assert found["above_resident"] == found["peak"] - found["loaded_resident"]
    assert result["rows"][0]["value"] == found["above_resident"] / 2**30
