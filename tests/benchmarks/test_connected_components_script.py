"""The script that compares ways to number connected components runs, and says what it should; not how fast they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts import load_benchmark, run_script
from stubs import tiny_model

from vlp_rvos import Segmenter


def test_connected_components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    module = load_benchmark("connected_components", monkeypatch)
    model = tiny_model(min_part=0.25)
    monkeypatch.setattr(module.Segmenter, "from_pretrained", lambda *_, **__: Segmenter(model))
    _, found = run_script(module, monkeypatch, tmp_path / "report.json", "--clips", 2, "--rounds", 1)
    assert found["grid"][0] == model.config.clip_length
    assert len(found["rows"]) == 3
    assert all(row["value"] > 0 for row in found["rows"])
