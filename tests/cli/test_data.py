"""`vlp-rvos data check` and `vlp-rvos data preview`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import video_miniatures as miniatures
from PIL import Image
from training_data import write_videos

from vlp_rvos.cli import app as cli
from vlp_rvos.data.benchmarks import mevis


def run(*arguments: object) -> int:
    return cli.main(["data", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return miniatures.write_mevis(tmp_path / "mevis")


def test_a_picture_of_the_user_is_not_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = folder.parent / "sheet.png"
    for _ in range(2):
        assert run("preview", "mevis", folder, "--split", "train", "-o", sheet) == 0
    Image.new("L", (3, 3)).save(sheet)
    before = sheet.read_bytes()
    assert run("preview", "mevis", folder, "--split", "train", "-o", sheet) == 2
    assert "sheet.png exists, and vlp-rvos did not write it" in capsys.readouterr().err
    assert sheet.read_bytes() == before


def test_check_of_an_incomplete_data_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "new" / "check.json"
    assert run("check", "mevis", folder, "--json", out) == 1
    lines = capsys.readouterr().out.splitlines()
    (videos,) = [line for line in lines if line.split()[:2] == ["train", "videos"]]
    assert videos.split() == ["train", "videos", "1", "1662", "incomplete"]
    (frames,) = [line for line in lines if line.split()[:2] == ["train", "frames"]]
    assert frames.split() == ["train", "frames", "4", "4", "complete"]
    # One hint serves for all that is missing.
    assert sum("henghuiding.com/MeViS" in line for line in lines) == 1
    content = json.loads(out.read_text())
    assert (content["name"], content["folder"], content["complete"]) == ("mevis", str(folder), False)
    assert content["items"][0]["what"] == "train videos"
    assert (content["items"][0]["found"], content["items"][0]["expected"]) == (1, 1662)
    assert "henghuiding.com/MeViS" in content["items"][0]["hint"]
    assert content["items"][2] == {"what": "train frames", "found": 4, "expected": 4, "complete": True, "hint": ""}


def test_check_of_a_complete_data_set(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mevis, "VIDEOS", dict.fromkeys(mevis.SPLITS, 1))
    monkeypatch.setattr(mevis, "EXPRESSIONS", dict.fromkeys(mevis.SPLITS, (3,)))
    assert run("check", "mevis", folder) == 0
    out = capsys.readouterr().out
    assert "missing" not in out
    assert "henghuiding" not in out


def test_check_of_a_folder_of_one_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_videos(tmp_path / "mine")
    out = tmp_path / "check.json"
    assert run("check", folder, "--json", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.split()[:1] in (["videos"], ["frames"])] == [
        ["videos", "2", "2", "complete"],
        ["frames", "24", "24", "complete"],
    ]
    assert "held out for validation: 1 video" in lines[-1]
    assert json.loads(out.read_text())["name"] is None
    (folder / "JPEGImages" / "boat" / "00001.jpg").unlink()
    assert run("check", folder) == 1
    assert f"- the list names {folder}/JPEGImages/boat/00001.jpg, which is not there\n" in capsys.readouterr().out


def test_check_says_what_is_broken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "train" / "meta_expressions.json").write_text("{")
    (folder / "valid_u" / "meta_expressions.json").unlink()
    assert run("check", "mevis", folder) == 1
    out = capsys.readouterr().out
    assert f"- cannot read {folder / 'train' / 'meta_expressions.json'}" in out
    assert f"- no such file: {folder / 'valid_u' / 'meta_expressions.json'}\n" in out
    assert out.count("henghuiding.com/MeViS") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "mevs", "."], "unknown data set 'mevs'; known are ref-youtube-vos"),
        (["check", "mevis", "no/folder"], "no such data set folder: no/folder"),
        (["check", "mevis"], "which folder holds mevis? Give it too: vlp-rvos data check mevis FOLDER"),
        (["check", "no/folder"], "no such data folder: no/folder"),
        (["preview", "mevs", ".", "--split", "train"], "unknown data set 'mevs'; known are ref-youtube-vos"),
        (["preview", "mevis", "."], "which split of mevis? Give --split with one of train, valid_u, valid"),
        (["preview", "mevis", ".", "--split", "val"], "mevis has no split 'val'; it has train, valid_u, valid"),
        (["preview", "mevis", ".", "--split", "train", "-o", "sheet.jpg"], "does not end in .png"),
        (["preview", "ytvos-folder", ".", "--split", "train"], "ytvos-folder has no splits"),
        (["preview", "mevis", ".", "--split", "train", "--count", "0"], "Invalid value"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_preview(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "new" / "sheet.png"
    assert run("preview", "mevis", folder, "--split", "valid_u", "-o", out, "--count", 2, "--seed", 5) == 0
    assert capsys.readouterr().out == f"mevis valid_u: 1 videos, 3 expressions; samples in {out}\n"
    with Image.open(out) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 2 * 320
    assert [x.name for x in out.parent.iterdir()] == ["sheet.png"]


def test_preview_of_a_plain_folder(tmp_path: Path) -> None:
    folder = miniatures.write_ref_youtube_vos(tmp_path / "data")
    assert run("preview", "ytvos-folder", folder / "train", "-o", tmp_path / "sheet.png") == 0
    assert (tmp_path / "sheet.png").is_file()


def test_a_failed_preview_leaves_nothing(folder: Path) -> None:
    for frame in folder.glob("train/JPEGImages/*/*.jpg"):
        frame.unlink()
    assert run("preview", "mevis", folder, "--split", "train", "-o", folder.parent / "sheet.png") == 2
    assert [x.name for x in folder.parent.iterdir()] == ["mevis"]
