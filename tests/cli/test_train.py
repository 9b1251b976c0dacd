from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import typer
from training_runs import SMALL, use_tiny_model_and_squares

from vlp_rvos.cli.train import train
from vlp_rvos.models.checkpoint import peek
from vlp_rvos.training.trainer import Trainer


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_model_and_squares(monkeypatch)


@pytest.fixture
def yaml_file(tmp_path: Path) -> Path:
    values = {
        "model": {"preset": "mini", "overrides": SMALL},
        "data": {"height": 32, "width": 48, "clip_length": 2},
        "steps": 2,
        "workers": 0,
        "val_samples": 1,
    }
    path = tmp_path / "small.yaml"
    path.write_text(json.dumps(values))
    return path


def test_command_says_where_the_model_is(yaml_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(yaml_file, tmp_path / "out", device="cpu", overrides=["steps=1"])
    assert "model.safetensors: 1 steps" in capsys.readouterr().out
    assert peek(tmp_path / "out" / "model.safetensors").training["steps"] == 1


def test_stopped_command_says_how_to_go_on(
    yaml_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer._step

    def interrupted(self: Trainer, *args: Any) -> None:
        step(self, *args)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "_step", interrupted)
    with pytest.raises(typer.Exit) as caught:
        train(yaml_file, tmp_path / "out", device="cpu")
    assert caught.value.exit_code == 130
    assert "--resume" in capsys.readouterr().out
    assert (tmp_path / "out" / "last.ckpt").exists()
