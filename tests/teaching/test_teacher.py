from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lessons import SMALL_BUDGETS, write_labels, write_tiny_model
from safetensors.torch import load_file

from vlp_rvos.errors import UserError
from vlp_rvos.formats.read_labelled import read_labelled
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.models.checkpoint import peek
from vlp_rvos.teaching import teacher
from vlp_rvos.teaching.lesson_scores import LessonScores
from vlp_rvos.teaching.teacher import MIXES, mixed_state, teach
from vlp_rvos.training import stage_loop


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_labels(tmp_path / "labels")
    return write_tiny_model(tmp_path / "tiny.safetensors", monkeypatch)


def lesson(start: Path, **options: Any) -> teacher.TeachResult:
    labels, output = read_labelled(start.parent / "labels"), start.parent / "mine"
    return teach(labels, output, model=start, device="cpu", budgets=SMALL_BUDGETS, **options)


def test_what_is_gained_is_kept_and_works_everywhere(start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "_best", lambda tried: (0.5, 1.0))
    result = lesson(start)
    assert result.finished
    assert result.gained
    mine = start.parent / "mine"
    assert sorted(path.name for path in mine.iterdir()) == ["model.safetensors", "pictures", "report.json"]
    old, new = load_file(start), load_file(mine / "model.safetensors")
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed
    assert all(name.startswith(("candidate_path.head.", "candidate_path.choice.")) for name in changed)
    info = peek(mine)
    assert info.inference_overrides == {"presence_threshold": 0.3}
    assert info.training["taught"] == {"names": ["red gizmo", "car"], "mix": {"candidates": 0.5, "choice": 1.0}}
    report = json.loads((mine / "report.json").read_text())
    assert [entry["mix"]["choice"] for entry in report["tried"]] == [choice for _, choice in MIXES]
    assert {row["expression"] for row in report["expressions"]} == {"the red gizmo", "the car"}
    assert report["lesson"]["held_out"] == ["picture2.png", "picture5.png"]
    assert len(list((mine / "pictures").iterdir())) == 4
    assert Segmenter.from_pretrained(mine).config.presence_threshold == 0.3
    with pytest.raises(UserError, match="holds model"):
        lesson(start)


def test_without_gain_the_weights_are_unchanged(start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = LessonScores(0.5, {"the car": 0.5}, 0.0, 1.0)
    monkeypatch.setattr(teacher, "score_answers", lambda answers, before: nothing)
    result = lesson(start)
    assert result.finished
    assert not result.gained
    old, new = load_file(start), load_file(start.parent / "mine" / "model.safetensors")
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name].float(), new[name]) for name in old)


@pytest.mark.parametrize("last", [2, 3, 4], ids=["end of the candidates", "choice", "end of the choice"])
def test_an_interrupted_lesson_goes_on(start: Path, monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    step = stage_loop._Run._step
    steps = []

    def interrupted(self: Any, *arguments: Any) -> None:
        steps.append(self.stage.name)
        step(self, *arguments)
        if len(steps) == last:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(stage_loop._Run, "_step", interrupted)
    stopped = lesson(start)
    assert (stopped.finished, stopped.signal_number, len(steps)) == (False, signal.SIGINT, last)
    assert not (start.parent / "mine" / "model.safetensors").exists()
    with pytest.raises(UserError, match="--resume"):
        lesson(start)
    with pytest.raises(UserError, match="other labels, name or model"):
        lesson(start, resume=True, name="the widget")
    assert lesson(start, resume=True).finished
    assert steps == ["candidates", "candidates", "choice", "choice"]
    assert not (start.parent / "mine" / "unfinished").exists()


def test_frames_that_were_not_stored_completely_are_stored_again(start: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> dict[str, str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(teacher, "write_lesson", killed)
        with pytest.raises(KeyboardInterrupt):
            lesson(start)
    assert lesson(start, resume=True).finished


def test_other_files_are_not_replaced(start: Path) -> None:
    (start.parent / "mine" / "pictures").mkdir(parents=True)
    with pytest.raises(UserError, match="holds pictures already"):
        lesson(start, resume=True)


@pytest.mark.parametrize("minutes", [0, -1, float("nan")])
def test_minutes_out_of_range_are_refused(start: Path, minutes: float) -> None:
    with pytest.raises(UserError, match="minutes"):
        lesson(start, minutes=minutes)


def test_old_weights_stay_as_they_are_where_nothing_is_mixed_in() -> None:
    old = {"candidate_path.choice.a": torch.zeros(2), "candidate_path.head.b": torch.zeros(2), "other": torch.zeros(2)}
    new = {name: torch.ones(2) for name in old}
    assert all(mixed_state(old, new, (0, 0))[name] is old[name] for name in old)
    mixed = mixed_state(old, new, (0.5, 1))
    assert [float(mixed[name][0]) for name in old] == [1, 0.5, 0]


def test_the_most_valuable_mix_is_taken_unless_it_is_worth_too_little() -> None:
    def scores(j: float, kept: float = 1.0) -> LessonScores:
        return LessonScores(j, {}, 0.0, kept)

    assert teacher._best([((0, 0), scores(0.3)), ((0, 1), scores(0.6, 0.8)), ((1, 1), scores(0.7, 0.5))]) == (0, 1)
    assert teacher._best([((0, 0), scores(0.3)), ((1, 1), scores(0.303))]) == (0, 0)
