from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from training_runs import SMALL

from vlp_rvos.cli import app as cli
from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.mini import load_mini
from vlp_rvos.models.checkpoint import load_model
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.training import ablation
from vlp_rvos.training.ablation import load_ablation, summarise, table, turned
from vlp_rvos.training.train_config import load_config
from vlp_rvos.training.trainer import Trainer

ROWS = [
    {"name": "full", "title": "full model"},
    {"name": "frame", "title": "frame attention", "model": {"attention": "frame"}},
    {
        "name": "tuned",
        "title": "fine-tuned",
        "model": {"tune_backbone": True, "language_prompts": 0, "vision_prompts": 0, "temporal_prompts": 0},
        "train": {"lr_backbone": 1e-3},
    },
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A table of three rows; one video of its data is held out."""
    for video in ("dog", "cat"):
        for t in range(3):
            for kind, suffix, pixels in (
                ("JPEGImages", "jpg", np.full((32, 48, 3), 40 * t, np.uint8)),
                ("Annotations", "png", np.pad(np.ones((8, 8), np.uint8), ((8, 16), (8 + t, 32 - t)))),
            ):
                path = tmp_path / "data" / "videos" / kind / video / f"{t:05d}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    frames = [f"{t:05d}" for t in range(3)]
    about = {video: {"0": {"exp": f"the {video}", "obj_id": "1"}} for video in ("dog", "cat")}
    meta = {"videos": {video: {"expressions": about[video], "frames": frames} for video in about}}
    (tmp_path / "data" / "videos" / "meta_expressions.json").write_text(json.dumps(meta))
    base = {
        "model": {"preset": "mini", "overrides": SMALL},
        "data": {
            "root": str(tmp_path / "data"),
            "sources": [{"kind": "videos", "folder": "videos"}],
            "hold_out": ["cat"],
            "height": 32,
            "width": 48,
            "clip_length": 2,
        },
        "steps": 50,
        "workers": 0,
        "val_samples": 1,
    }
    (tmp_path / "base.yaml").write_text(json.dumps(base))
    whole = {"base": str(tmp_path / "base.yaml"), "train": {"steps": 3}, "seeds": [0, 1], "rows": ROWS}
    path = tmp_path / "table.yaml"
    path.write_text(json.dumps(whole))
    return path


def ablate(config: Path, output: Path, *options: str) -> int:
    return cli.main(["ablate", str(config), "-o", str(output), "--device", "cpu", *options])


def results(output: Path) -> dict[str, Any]:
    files = sorted(output.glob("*/seed-*/result.json"))
    kept = {str(file.parent.relative_to(output)): json.loads(file.read_text()) for file in files}
    return {name: run | {"seconds": None} for name, run in kept.items()}


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
    assert ablate(config, parts, "--seeds", "0") == 130
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
    assert written.rstrip() == table(json.loads((parts / "ablation.json").read_text()))
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
        (["--seeds", "one"], "'one' is not a number"),
        (["--steps", "0"], "steps must be positive"),
        (["--set", "rows=[]"], "at least one row"),
        (["--set", "seeds=[1, 1]"], "may come twice"),
        (["--set", "rows=[{name: A b, title: x}]"], "it names a folder"),
        (["--set", "train.stepz=1"], "unknown key 'stepz'"),
        (["--set", "base=maxi"], "no such training configuration"),
        (
            ["--set", "train.model.preset=clip-b16", "--set", "rows=[{name: a, title: x, aligned: false}]"],
            "only the back",
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


def test_the_grounding_probe_runs_if_the_config_asks_for_it(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(predict: Callable[..., Any], mixture: object, pairs: int, samples: int) -> SimpleNamespace:
        assert (pairs, samples) == (7, 7)
        return SimpleNamespace(pairs={"motion": SimpleNamespace(right=0.75)}, absent_caught=0.5)

    monkeypatch.setattr(ablation, "build_mixture", lambda data, split: (data, split))
    monkeypatch.setattr(ablation, "probe_grounding", measure)
    options = ["--set", "pairs=7", "--set", "train.steps=1", "--rows", "full", "--seeds", "3"]
    assert ablate(config, tmp_path / "out", *options) == 0
    numbers = results(tmp_path / "out")["full/seed-3"]["numbers"]
    assert (numbers["right_motion"], numbers["absent_caught"]) == (0.75, 0.5)


def test_table() -> None:
    def run(seed: int, iou: float, steps: int = 10) -> dict[str, Any]:
        return {"seed": seed, "steps": steps, "numbers": {"iou_present": iou, "unshown": 1.0}}

    rows = [
        {"name": "full", "title": "full model", "runs": [run(0, 0.5), run(1, 0.6)]},
        {"name": "less", "title": "less", "runs": [run(0, 0.4, 20), run(1, 0.3, 30)]},
        {"name": "half", "title": "half done", "runs": [run(1, 0.65)]},
    ]
    assert table({"compared_with": "full", "rows": rows}).splitlines() == [
        "| row | IoU | IoU, difference | steps | seeds |",
        "|---|---|---|---|---|",
        "| full model | 55.0 ± 5.0 |  | 10 | 2 |",
        "| less | 35.0 ± 5.0 | -20.0 ± 10.0 | 25 | 2 |",
        "| half done | 65.0 | +5.0 | 10 | 1 |",
    ]
    assert table({"compared_with": "full", "rows": rows[1:]}).splitlines()[2] == "| less | 35.0 ± 5.0 |  | 25 | 2 |"
    assert len(table({"compared_with": "full", "rows": []}).splitlines()) == 2


def test_the_shipped_table_is_valid() -> None:
    whole = load_ablation(Path("mini"))
    base = load_config(Path(whole.base))
    full = ModelConfig.preset("mini").replace(**whole.train["model"]["overrides"])
    for row in whole.rows:
        config = ablation._train_config(whole, row, 1, Path("out"))
        assert (config.seed, config.data.seed, config.data.hold_out) == (1, 1, base.data.hold_out)
        model = ModelConfig.preset("mini").replace(**config.model.overrides)
        assert (model != full) == bool(row.model)
        assert (config.model.backbone_weights is None) == row.aligned
        # One budget for all, which no clock cuts short.
        assert (config.steps, config.time_limit_minutes) == (whole.train["steps"], None)
    assert not any("val" in Path(source.folder).parts for source in base.data.sources)
    with pytest.raises(UserError, match="no such ablation"):
        load_ablation(Path("maxi"))


def test_turned_tower_keeps_its_features_and_loses_the_words(tmp_path: Path) -> None:
    tower = load_mini()
    other = tmp_path / "unaligned.safetensors"
    ablation.save_file(turned(tower.aligned_state_dict()), other)
    away = load_mini(other)
    changed = [name for name, value in away.state_dict().items() if not torch.equal(value, tower.state_dict()[name])]
    assert sorted(changed) == ["vision_projection.bias", "vision_projection.weight"]
    features = torch.randn(50, tower.vision_width)
    here, there = (F.normalize(one.project_vision(features), dim=-1) for one in (tower, away))
    assert torch.allclose(here @ here.T, there @ there.T, atol=1e-4), "distances in the shared space stay"
    assert (here * there).sum(-1).abs().max() < 0.4
    again = turned(tower.aligned_state_dict())
    assert torch.equal(again["vision_projection.weight"], away.vision_projection.weight)


def test_summary_needs_nothing_to_be_there(config: Path, tmp_path: Path) -> None:
    assert summarise(load_ablation(config), tmp_path / "nothing")["rows"] == []
