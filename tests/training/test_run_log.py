from __future__ import annotations

import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.training import run_log
from vlp_rvos.training.run_log import RunLog


def test_records_are_lines_of_json_and_of_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(run_log, "time", SimpleNamespace(monotonic=lambda: now))
    with RunLog(tmp_path, "dogs", step=0) as log:
        log.advance(0, 0.0, {})
        log.record(0, 0.0, "train", {"loss": math.nan})
        now = 1000.0
        log.record(5, 0.25, "validation", {"iou": 0.123456789})
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [
        {"event": "train", "step": 0, "progress": 0.0, "loss": None},
        {"event": "validation", "step": 5, "progress": 0.25, "iou": 0.12346},
    ]
    assert list((tmp_path / "tensorboard").iterdir())
    assert capsys.readouterr().err.splitlines() == [
        "dogs train step 0 (0.0%, ? left)  loss nan",
        "dogs validation step 5 (25.0%, 0:50:00 left)  iou 0.1235",
    ]


def test_a_log_is_continued(tmp_path: Path) -> None:
    for step in (1, 2):
        with RunLog(tmp_path, "dogs", step) as log:
            log.record(step, 0.1, "train", {})
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2]


def test_only_the_first_process_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path, "dogs", 0, enabled=False) as log:
        log.advance(1, 0.5, {"loss": 1.0})
        log.record(1, 0.5, "train", {"loss": 1.0})
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err == ""


def test_without_tensorboard_the_run_goes_on_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, extra: str) -> None:
        raise UserError(f"{module} is not installed")

    monkeypatch.setattr(run_log, "require_installed", missing)
    with pytest.warns(VLPRVOSWarning, match=r"^tensorboard is not installed; the run has no TensorBoard curves$"):
        log = RunLog(tmp_path, "dogs", 0)
    with log:
        log.record(1, 0.5, "train", {"loss": 1.0})
    assert [file.name for file in tmp_path.iterdir()] == ["log.jsonl"]


def test_names_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path, "dogs\x1b[31m", 0) as log:
        log.record(1, 0.5, "validation", {"iou_\x1b]0;x\x07caf\udce9": 1.0})
    assert capsys.readouterr().err == (
        r"dogs\x1b[31m validation step 1 (50.0%, ? left)  iou_\x1b]0;x\x07caf\xe9 1" + "\n"
    )


def test_a_folder_whose_name_is_not_utf8_has_no_curves(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"run\xe9")
    folder.mkdir()
    with pytest.warns(VLPRVOSWarning, match=r"not UTF-8; the run has no TensorBoard curves$"):
        log = RunLog(folder, "dogs", 0)
    with log:
        log.record(1, 0.5, "train", {"loss": 1.0})
    assert [file.name for file in folder.iterdir()] == ["log.jsonl"]
