"""Files that are named by the user are replaced only if they are empty or ours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from vlp_rvos.cli import app as cli
from vlp_rvos.cli.own_files import is_page, is_report, is_score_table
from vlp_rvos.cli.score_files import ScoreFiles
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.folder_scores import FolderScores, VideoScores

FOREIGN = ["notes", "{}", '{"videos": {}}', "[]", "video,id,note\n", "<html></html>", "[" * 10**5, "\x00"]


@pytest.fixture
def report() -> dict[str, Any]:
    return FolderScores({"dog": VideoScores([1.0, 0.5], [0.5, 0.5])}).to_json()


@pytest.mark.parametrize("kind", ["json", "csv", "html"])
def test_reports_are_replaced_and_nothing_else(kind: str, report: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "scores"
    files = ScoreFiles(**{kind: path})
    path.touch()
    for _ in range(2):
        files.prepare()
        files.write(report)
    for text in FOREIGN:
        path.write_text(text)
        with pytest.raises(UserError, match="vlp-rvos did not write it: choose another output, or move it away"):
            files.prepare()
        assert path.read_text() == text


def test_a_report_of_one_kind_is_none_of_another(report: dict[str, Any], tmp_path: Path) -> None:
    files = ScoreFiles(tmp_path / "json", tmp_path / "csv", tmp_path / "html")
    files.write(report)
    for path in tmp_path.iterdir():
        assert [is_report(path), is_score_table(path), is_page(path)] == [
            path.name == name for name in ("json", "csv", "html")
        ]
    assert not is_report(tmp_path)
    assert not is_page(tmp_path / "missing")


def test_pages_of_version_0_1_0_are_known(report: dict[str, Any], tmp_path: Path) -> None:
    ScoreFiles(html=tmp_path / "html").write(report)
    text = (tmp_path / "html").read_text()
    mark = '<meta name="generator" content="vlp-rvos">\n'
    assert mark in text
    (tmp_path / "html").write_text(text.replace(mark, ""))
    assert is_page(tmp_path / "html")


@pytest.mark.parametrize("place", ["folder", "pipe", "link"])
def test_what_is_no_file_is_refused(place: str, tmp_path: Path) -> None:
    path = tmp_path / "scores"
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "link": lambda: path.symlink_to("nowhere")}[place]()
    with pytest.raises(UserError, match=r"is a folder|is not a regular file|leads nowhere"):
        ScoreFiles(path).prepare()


def test_the_command_refuses_before_it_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from vlp_rvos.evaluation import mask_folders

    monkeypatch.setattr(mask_folders, "score_mask_folders", lambda *_, **__: pytest.fail("scored"))
    (tmp_path / "mine.json").write_text('{"mine": 1}')
    assert cli.main(["evaluate", "masks", str(tmp_path), str(tmp_path), "--json", str(tmp_path / "mine.json")]) == 2
    assert "mine.json exists, and vlp-rvos did not write it" in capsys.readouterr().err
    assert (tmp_path / "mine.json").read_text() == '{"mine": 1}'
