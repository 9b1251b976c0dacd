from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lessons import write_labels, write_tiny_model

from vlp_rvos.cli.app import main
from vlp_rvos.teaching import teacher
from vlp_rvos.teaching.lesson_scores import LessonScores
from vlp_rvos.teaching.teacher import TeachResult


@pytest.mark.parametrize("gained", [False, True])
def test_command_says_what_was_gained(
    gained: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {}

    def teach(labelled: Any, output: Path, **options: Any) -> TeachResult:
        asked.update(options, layout=labelled.layout, output=output)
        before = LessonScores(0.25, {"the widget": 0.25}, 0.0, 1.0)
        return TeachResult(True, gained, before, LessonScores(0.75, {"the widget": 0.75}, 0.0, 0.9))

    monkeypatch.setattr(teacher, "teach", teach)
    labels, output = str(write_labels(tmp_path / "labels")), str(tmp_path / "mine")
    assert main(["teach", labels, "-o", output, "--name", "the widget", "--minutes", "2"]) == 0
    assert (asked["layout"], asked["name"], asked["minutes"], asked["model"]) == ("coco", "the widget", 2, "mini")
    said = capsys.readouterr().out
    assert "the widget: J 25.0 before, 75.0 after" in said
    assert ("nothing was gained" in said) != gained


def test_stopped_command_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(teacher, "teach", lambda *_, **__: TeachResult(False, signal_number=15))
    assert main(["teach", str(write_labels(tmp_path / "labels")), "-o", str(tmp_path / "mine")]) == 143
    assert "--resume" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["nowhere"], "no such file or folder"),
        (["labels", "--minutes", "0"], "minutes must be above 0"),
        (["labels", "--name", " "], "the name is empty"),
        (["labels", "--model", "nothing"], "unknown model"),
        (["single"], "two are needed"),
    ],
)
def test_mistakes_are_one_line(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_labels(tmp_path / "labels")
    write_labels(tmp_path / "single", 1)
    monkeypatch.chdir(tmp_path)
    tiny = write_tiny_model(tmp_path / "tiny.safetensors", monkeypatch)
    options += [] if "--model" in options else ["--model", str(tiny)]
    assert main(["teach", *options, "-o", "mine"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()
