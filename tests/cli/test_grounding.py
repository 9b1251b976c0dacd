"""The command `vlp-rvos evaluate grounding`."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from training_data import forget_video, write_videos

from vlp_rvos.cli.app import main
from vlp_rvos.evaluation.grounding_probe import GroundingScores, PairScores
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.segmenter import Segmenter

SCORES = GroundingScores({"motion": PairScores(0.75, 0.5, 12)}, threshold=0.6, absent_caught=0.25, present=9, absent=8)


@pytest.mark.parametrize("name", ["grounding", "listening"])
def test_it_prints_and_writes_the_scores(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    for folder in ("davis16/train", "clips/train", "stills"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr("vlp_rvos.data.mixture.build_mixture", lambda data, split: (data.root, split))
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda model, options: SimpleNamespace(segment=(model, options)))

    def probe(predict: Any, *settings: Any) -> GroundingScores:
        asked.append((*predict, *settings[:-1]))
        return SCORES

    monkeypatch.setattr("vlp_rvos.evaluation.grounding_probe.probe_grounding", probe)
    file = tmp_path / "scores.json"
    options = ["--model", "mine", "--pairs", "3", "--samples", "4", "--memory-frames", "2", "--json", str(file)]
    assert main(["evaluate", name, str(tmp_path), *options]) == 0
    assert asked == [("mine", InferenceOptions(memory_frames=2), (str(tmp_path), "holdout"), 3, 4)]
    assert json.loads(file.read_text()) == SCORES.to_json()
    printed = capsys.readouterr().out
    assert "75.0 % right, IoU 0.500 (12 expressions)" in printed
    assert "95 % of 9 present objects reach 0.60\n" in printed
    assert "25.0 % of 8 absent objects stay below that\n" in printed


def test_without_time_every_frame_is_a_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("davis16/train", "clips/train", "stills"):
        (tmp_path / folder).mkdir(parents=True)
    videos: list[list[str]] = []

    def segment(frames: list[str], expressions: list[str]) -> list[str]:
        videos.append(frames)
        return frames

    monkeypatch.setattr("vlp_rvos.data.mixture.build_mixture", lambda data, split: None)
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda model, options: SimpleNamespace(segment=segment))

    def probe(predict: Any, *_: Any) -> GroundingScores:
        assert list(predict(["first", "second"], ["red"])) == ["first", "second"]
        return SCORES

    monkeypatch.setattr("vlp_rvos.evaluation.grounding_probe.probe_grounding", probe)
    assert main(["evaluate", "grounding", str(tmp_path), "--no-time"]) == 0
    assert videos == [["first"], ["second"]]


def test_help_shows_the_new_name_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "grounding" in printed
    assert "listening" not in printed


def test_data_of_one_s_own_must_leave_something_to_hold_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_videos(tmp_path)
    forget_video(tmp_path, "boat")
    assert main(["evaluate", "grounding", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.endswith("has too little to hold anything out, and grounding is probed on what is held out\n")
    assert error.count("\n") == 1
