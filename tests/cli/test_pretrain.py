from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlp_rvos.cli.app import main
from vlp_rvos.pretraining import align
from vlp_rvos.pretraining.align_config import AlignConfig


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    asked: list[Any] = []

    def fake(config: AlignConfig, output: Path) -> dict[str, Any]:
        asked.append((config, output))
        return {"steps": 5, "held_out": {"noun": 0.5}}

    monkeypatch.setattr(align, "align", fake)
    return asked


def test_settings_and_folder(asked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text("minutes: 3\nbatch: 4\n")
    assert main(["pretrain", str(tmp_path / "c.yaml"), "-o", "o", "--set", "batch=2"]) == 0
    assert asked == [(AlignConfig(minutes=3, batch=2), Path("o"))]
    assert capsys.readouterr().out == "o/mini-backbone.safetensors: 5 steps, held out {'noun': 0.5}\n"


def test_defaults(asked: list[Any]) -> None:
    assert main(["pretrain"]) == 0
    assert asked == [(AlignConfig(), Path("runs/mini-backbone"))]


def test_unknown_settings_are_refused(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pretrain", "--set", "minute=1"]) == 2
    assert "unknown key 'minute'" in capsys.readouterr().err
    assert asked == []
