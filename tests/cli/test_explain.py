from __future__ import annotations

import json
from pathlib import Path

import pytest
from clips import cut, frames, noise, write_video

from vlp_rvos.cli import app as cli

pytestmark = pytest.mark.usefixtures("tiny_default_model")
OUTPUTS = ["explain.json", "explain.mp4", "explain.png"]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "dog.mp4", frames(7))


def run(*arguments: object) -> int:
    return cli.main(["explain", *map(str, arguments)])


def test_explain_writes_everything(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new/out"
    options = ["-o", out, "--at", 0.3, "--at", 0.6, "--presence-threshold", 0]
    assert run(video, "the dog", "-e", "a red car", *options) == 0
    assert sorted(path.name for path in out.iterdir()) == OUTPUTS
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines[:4]] == [
        "the dog, 0.30 s",
        "the dog, 0.60 s",
        "a red car, 0.30 s",
        "a red car, 0.60 s",
    ]
    assert lines[-1].startswith("7 frames; wrote ")
    content = json.loads((out / "explain.json").read_text())
    assert len(content["frames"]) == 7
    assert content["frames"][3]["expressions"][0]["reason"] == lines[0].partition(": ")[2]
    # Earlier results are replaced.
    assert run(video, "the dog", "-o", out, "--end", 0.2) == 0
    assert len(json.loads((out / "explain.json").read_text())["frames"]) == 2


def test_a_video_that_breaks_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = cut(write_video(tmp_path / "a.mkv", noise(12)), 0.5)
    assert run(video, "the dog", "-o", tmp_path / "out") == 0
    content = json.loads((tmp_path / "out" / "explain.json").read_text())
    assert 0 < len(content["frames"]) < 12
    assert content["truncated"]
    assert "warning: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no expression, or an empty one"),
        ([" "], "no expression, or an empty one"),
        (["\u200d"], "no expression, or an empty one"),
        (["a", "-e", "b", "-e", "c", "-e", "d", "-e", "e"], "5 expressions: at most 4"),
        (["a", "--at", "9"], "a time in the video, in seconds; what is explained lasts from 0.00 to 0.70 s"),
        (["a", "--at", "0.1", "--start", "0.3"], "--at 0.1: must be a time in the video, in seconds"),
        (["a", "--at", "0.6", "--end", "0.5"], "--at 0.6: must be a time in the video, in seconds"),
        (["a", "--at", "-1"], "--at -1: must be a time in the video"),
        (["a", "--at", "nan"], "--at nan: must be a time in the video"),
        (["a", *[part for i in range(13) for part in ("--at", str(i / 20))]], "13 times: a picture shows at most 12"),
        (["a", "--runtime", "onnx"], "an exported model gives its masks alone"),
        (["a", "--model", "no-such-model"], "no-such-model"),
    ],
)
def test_mistakes(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    video: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "no-such-model" in arguments:
        monkeypatch.undo()
    assert run(video, *arguments, "-o", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "out").exists()


def test_foreign_files_stay(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "explain.png").write_bytes(b"mine")
    assert run(video, "the dog", "-o", tmp_path) == 2
    assert "explain.png is not a picture that vlp-rvos wrote" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dog.mp4", "explain.png"]


def test_the_input_stays(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    video.rename(tmp_path / "out" / "explain.mp4")
    assert run(tmp_path / "out" / "explain.mp4", "the dog", "-o", tmp_path / "out") == 2
    assert "the result would replace the input" in capsys.readouterr().err
