"""The script that compares ways to number connected components runs, and says what it should; not how fast they are."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from stubs import tiny_model

from vlp_rvos import Segmenter


def test_connected_components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    file = Path(__file__).parents[2] / "benchmarks/connected_components.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = tiny_model(min_part=0.25)
    monkeypatch.setattr(module.Segmenter, "from_pretrained", lambda *_, **__: Segmenter(model))
    report = tmp_path / "report.json"
    monkeypatch.setattr(sys, "argv", [file.stem, "--clips", "2", "--rounds", "1", "--json", str(report)])
    module.main()
    found = json.loads(report.read_text())
    assert found["grid"][0] == model.config.clip_length
    assert len(found["rows"]) == 3
    assert all(row["value"] > 0 for row in found["rows"])
