from __future__ import annotations

from pathlib import Path

import pytest
from processors import needs_int8
from scripts import load_benchmark, run_script


@needs_int8
def test_every_kernel_gives_the_layers_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("int8_linear", monkeypatch)
    size = ["--tokens", 32, "--inputs", 64, "--outputs", 48, "--rounds", 1]
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", *size)
    assert result["over_fp32"]["fp32"] == 1
    assert result["relative_error"].pop("fp32") == 0
    assert len(result["relative_error"]) >= 3
    assert all(0 < error < 0.05 for error in result["relative_error"].values())
