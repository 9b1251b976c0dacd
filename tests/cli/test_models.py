from __future__ import annotations

import pytest

from vlp_rvos.cli.app import main
from vlp_rvos.models.model_config import PRESETS


def test_presets_and_shipped_models(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlp_rvos.models.checkpoint.shipped_models", lambda: {"mini": 1, "special": 2})
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted({*PRESETS, "special"})
    ready = [line.split()[0] for line in lines if line.endswith("  ready to use")]
    assert ready == ["mini", "special"]
    (mini,) = [line for line in lines if line.startswith("mini ")]
    assert f"width {PRESETS['mini'].width}, input {PRESETS['mini'].input_size}, clip 6" in mini
