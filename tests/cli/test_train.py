from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from training_runs import SMALL, use_tiny_model_and_squares

from vlp_rvos.cli.app import main
from vlp_rvos.cli.train import train
from vlp_rvos.models.checkpoint import peek
from vlp_rvos.training import trainer
from vlp_rvos.training.trainer import Trainer, TrainResult


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


class FakeTrainer:
    """Notes how it was made, and returns a result without training."""

    made: list[tuple[Any, ...]]

    def __init__(self, config: Any, output: Path | None, *, device: str, resume: bool) -> None:
        FakeTrainer.made.append((config.steps, config.data.seed, output, device, resume))
        self.fabric = SimpleNamespace(is_global_zero=True)

    def train(self) -> TrainResult:
        return TrainResult(True, 7, 90.0, {"iou": 0.25}, Path("run/model.safetensors"))


@pytest.fixture
def fake_trainer(monkeypatch: pytest.MonkeyPatch) -> type[FakeTrainer]:
    FakeTrainer.made = []
    monkeypatch.setattr(trainer, "Trainer", FakeTrainer)
    return FakeTrainer


def test_options_reach_the_trainer(fake_trainer: type[FakeTrainer], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "mini", "--set", "steps=7"]) == 0
    assert capsys.readouterr().out == "run/model.safetensors: 7 steps in 1.5 minutes, iou 0.250\n"
    changes = ["--set", "steps=1", "--set", "data.seed=2"]
    assert main(["train", "mini", "--output", "o", "--resume", "--device", "cpu", *changes]) == 0
    assert fake_trainer.made == [(7, 0, None, "auto", False), (1, 2, Path("o"), "cpu", True)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["maxi"], "no such training configuration"),
        (["mini", "--set", "steps=many"], "key 'steps' must be a whole number, not 'many'"),
        (["mini", "--set", "steps=1", "--set", "steps=2"], "the setting 'steps' is given twice"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, fake_trainer: type[FakeTrainer], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert fake_trainer.made == []


def test_the_packages_of_the_extra_are_needed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlp_rvos.utils.extras.find_spec", lambda _: None)
    assert main(["train", "mini"]) == 2
    message = "error: lightning_fabric is not installed; install with: pip install 'vlp-rvos[train]'\n"
    assert capsys.readouterr().err == message


TINY_TRAINING = """
import sys
import pytest
from training_runs import use_tiny_model_and_squares
from vlp_rvos.cli.app import main

use_tiny_model_and_squares(pytest.MonkeyPatch())
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_process_group_saves_the_run(
    number: signal.Signals, yaml_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = [yaml_file, "-o", out, "--device", "cpu", "--set", "log_every=1"]
    command = [sys.executable, "-c", TINY_TRAINING, "train", *options, "--set", "workers=2", "--set", "steps=100000"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 120
        while not (out / "log.jsonl").exists() or (out / "log.jsonl").read_text().count("\n") < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, number)
        printed, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert b"continue with the same command and --resume" in printed
    assert errors.splitlines()[-1] in (b"terminated", b"interrupted")
    assert b"error" not in errors
    steps = peek(out / "model.safetensors").training["steps"]
    assert steps >= 3
    assert steps == len((out / "log.jsonl").read_text().splitlines())
    arguments = [*map(str, options), "--set", "workers=0", "--set", f"steps={steps + 1}", "--resume"]
    assert main(["train", *arguments]) == 0
    assert f"{steps + 1} steps" in capsys.readouterr().out
