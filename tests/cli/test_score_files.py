from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlp_rvos.cli.score_files import ScoreFiles
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.folder_scores import FolderScores, VideoScores


@pytest.fixture
def report() -> dict[str, Any]:
    return FolderScores({"dog": VideoScores([1.0, 0.5], [0.5, 0.5])}).to_json()


def test_every_form(report: dict[str, Any], tmp_path: Path) -> None:
    files = ScoreFiles(tmp_path / "a" / "s.json", tmp_path / "b" / "s.csv", tmp_path / "c" / "s.html")
    files.prepare()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]
    files.write(report)
    assert files.json is not None
    assert files.csv is not None
    assert files.html is not None
    assert json.loads(files.json.read_text()) == report
    header, row = files.csv.read_text().splitlines()
    assert header.startswith("video,")
    assert row.startswith("dog,")
    assert "dog" in files.html.read_text()


def test_no_file(report: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ScoreFiles().prepare()
    ScoreFiles().write(report)
    assert list(tmp_path.iterdir()) == []


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    same = tmp_path / "scores"
    with pytest.raises(UserError, match="scores is named for two outputs"):
        ScoreFiles(json=same, html=tmp_path / "." / "scores").prepare()
    with pytest.raises(UserError, match="scores is named for two outputs"):
        ScoreFiles(json=same).prepare(same)
    ScoreFiles(json=same).prepare(None, tmp_path / "plot.png")


@pytest.mark.parametrize("kind", ["json", "csv", "html"])
def test_what_cannot_be_written_is_found_early(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write into"):
        ScoreFiles(**{kind: tmp_path / "file" / "scores"}).prepare()
