from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from small_ablation import results, write_ablation
from training_runs import use_tiny_model_and_squares

from vlp_rvos.cli import app as cli
from vlp_rvos.models.checkpoint import load_model
from vlp_rvos.training.ablation_table import ablation_table
from vlp_rvos.training.trainer import Trainer


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_model_and_squares(monkeypatch)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_ablation(tmp_path)


def ablate(config: Path, output: Path, *options: str) -> int:
    return cli.main(["ablate", str(config), "-o", str(output), "--device", "cpu", *options])


def test_one_command_makes_the_table_and_goes_on_after_a_stop(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(config, tmp_path / "whole", "--seeds", "0") == 0
    step, count = Trainer._step, 0

    def killed(self: Trainer, *arguments: Any) -> None:
        nonlocal count
        step(self, *arguments)
        count += 1
        if count == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Trainer, "_step", killed)
    parts = tmp_path / "parts"
    assert ablate(config, parts, "--seeds", "0") == 143
    assert "continue with the same command" in capsys.readouterr().out
    assert list(results(parts)) == ["full/seed-0"]
    before = (parts / "full/seed-0/model.safetensors").stat().st_mtime_ns
    assert ablate(config, parts, "--seeds", "0") == 0
    assert (parts / "full/seed-0/model.safetensors").stat().st_mtime_ns == before
    assert count == 9, "no step is done twice"
    assert results(parts) == results(tmp_path / "whole")
    assert not list(parts.glob("*/*/last.ckpt"))

    numbers = results(parts)["tuned/seed-0"]["numbers"]
    assert {"iou_present", "iou_there", "presence_accuracy", "J", "F", "J&F"} <= numbers.keys()
    assert load_model(parts / "frame/seed-0/model.safetensors").config.attention == "frame"
    written = (parts / "ablation.md").read_text()
    assert written in capsys.readouterr().out
    assert [line.split(" | ")[0] for line in written.splitlines()[2:]] == [
        "| full model",
        "| frame attention",
        "| fine-tuned",
    ]
    assert written.rstrip() == ablation_table(json.loads((parts / "ablation.json").read_text()))
    assert str(tmp_path) not in json.dumps(json.loads((parts / "ablation.json").read_text())["rows"])


def test_parts_of_a_table_add_up(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--rows", "full", "--seeds", "0,1"], ["--rows", "frame", "--seeds", "1"]):
        assert ablate(config, tmp_path / "out", "--set", "train.steps=1", *options) == 0
    assert list(results(tmp_path / "out")) == ["frame/seed-1", "full/seed-0", "full/seed-1"]
    rows = (tmp_path / "out" / "ablation.md").read_text().splitlines()[2:]
    assert [row.split(" | ")[-1] for row in rows] == ["2 |", "1 |"]
    assert ablate(config, tmp_path / "out", "--set", "train.steps=2", "--rows", "full") == 2
    assert "holds a run with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rows", "fool"], "no such row: fool; use full, frame, tuned"),
        (["--seeds", "0,one"], "--seeds: 'one' is not a number; write for example 0,1"),
        (["--steps", "0"], "steps must be at least 1"),
        (["--steps", "1", "--set", "train.steps=2"], "the setting 'train.steps' is given twice"),
        (["--set", "rows=[]"], "at least one row"),
        (["--set", "seeds=[1, 1]"], "may come twice"),
        (["--set", "rows=[{name: A b, title: x}]"], "it names a folder"),
        (["--set", "train.stepz=1"], "unknown key 'stepz'"),
        (["--set", "base=maxi"], "no such training configuration"),
        (
            ["--set", "train.model.preset=clip-b16", "--set", "rows=[{name: a, title: x, aligned: false}]"],
            "needs the backbone of mini",
        ),
    ],
)
def test_mistakes_are_one_line(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert ablate(config, tmp_path / "out", *options) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["ablation.json", "ablation.md"])
def test_files_of_the_user_are_not_replaced(
    name: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("# My table\n\n| a |\n")
    assert ablate(config, tmp_path / "out") == 2
    assert f"{name} exists, and vlp-rvos did not write it" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_settings_that_are_no_json_are_no_run_of_ours(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out/full/seed-0").mkdir(parents=True)
    (tmp_path / "out/full/seed-0/settings.json").write_text("mine")
    assert ablate(config, tmp_path / "out") == 2
    assert "holds a run with other settings" in capsys.readouterr().err


def test_the_packages_of_the_extra_are_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlp_rvos.utils.extras.find_spec", lambda _: None)
    assert cli.main(["ablate", "mini", "-o", str(tmp_path / "out")]) == 2
    message = "error: lightning_fabric is not installed; install with: pip install 'vlp-rvos[train]'\n"
    assert capsys.readouterr().err == message
