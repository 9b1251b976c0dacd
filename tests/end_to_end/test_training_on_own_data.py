"""The shipped recipe of `mini` on small data sets of one's own, with a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from candidate_runs import SeeingBackbone
from training_data import forget_video, write_mixture, write_videos
from training_runs import SMALL, use_backbone

from vlp_rvos.cli.app import main
from vlp_rvos.models.checkpoint import peek

STAGES = [
    {"until": 0.5, "height": 32, "width": 64, "clip_length": 1, "clips": 1, "batch": 2},
    {"until": 1.0, "height": 32, "width": 64, "clip_length": 2, "clips": 2, "batch": 1},
]
SETTINGS = {
    "model.overrides": json.dumps(SMALL | {"candidates": 5, "refinement": True}),
    "stages": json.dumps(STAGES),
    "precision": "fp32",
    "steps": 2,
    "workers": 0,
    "val_samples": 2,
    "data.height": 64,
    "data.width": 64,
    "candidates.steps": 2,
    "candidates.batch": 2,
    "candidates.sizes": "[[64, 96]]",
    "candidates.size_weights": "[1.0]",
    "refinement.steps": 2,
    "refinement.sizes": "[[64, 96]]",
    "refinement.size_weights": "[1.0]",
    "choice.steps": 2,
    "choice.clips": 2,
    "agreement.steps": 2,
}


@pytest.fixture(autouse=True)
def tiny_backbone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_backbone(monkeypatch, SeeingBackbone)
    monkeypatch.chdir(tmp_path)


def train(root: Path, *options: str) -> int:
    words = [word for key, value in (SETTINGS | {"data.root": root}).items() for word in ("--set", f"{key}={value}")]
    return main(["train", "mini", "--device", "cpu", *words, *options])


def test_a_folder_of_both_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    write_mixture(Path("data"))
    assert main(["data", "check", "data"]) == 0
    checked = capsys.readouterr().out.splitlines()[-1]
    assert train(Path("data")) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == checked
    assert lines[0].startswith("data: 16 pictures in stills, 2 videos in videos; held out for validation: 1 video (")
    assert lines[1] == "mini: training on data/stills, data/videos, 2 steps"
    assert lines[2].startswith("mini: the first step is done after ")
    training = peek("runs/mini/model.safetensors").training
    assert training["steps"] == 2
    assert "iou" in training["validation"]
    assert [source["folder"] for source in training["config"]["data"]["sources"]] == ["stills", "videos"]
    # Nobody says anything of the pictures, so the later stages learn from generated expressions and the videos' own.
    assert training["stages"].keys() == {"candidates", "refinement", "choice", "agreement"}
    assert {"right", "noticed"} <= training["stages"]["choice"].keys()
    assert train(Path("data"), "--resume", "--set", "val_every=1") == 0


def test_a_single_video_is_trained_on_without_validation(capsys: pytest.CaptureFixture[str]) -> None:
    write_videos(Path("data"))
    forget_video(Path("data"), "boat")
    assert train(Path("data")) == 0
    assert "nothing is held out, so the training is not validated\n" in capsys.readouterr().err
    assert peek("runs/mini/model.safetensors").training["validation"] == {}


def test_what_cannot_be_trained_on_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    assert train(Path("data")) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: no data set in data; needed is ")
    assert error.count("\n") == 1
    assert not Path("runs").exists()
