"""`vlp-rvos convert`, and `vlp-rvos segment --format`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from segmented import make_frames, make_picture, make_video, write_out

from vlp_rvos import Segmenter
from vlp_rvos.cli import app as cli


def run(*arguments: object) -> int:
    return cli.main(list(map(str, arguments)))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    video = make_video(tmp_path / "dog.mp4")
    write_out(tmp_path / "out", video)
    return video


def test_convert(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run("convert", out, "--to", "coco") == 0
    assert capsys.readouterr().out == f"{out / 'coco'}: 5 frames, JSON of COCO, one image for each frame\n"
    assert len(json.loads((out / "coco" / "instances.json").read_text())["images"]) == 5
    assert (
        run("convert", out / "masks.json", "--to", "blur", "--blur", "rest", "--video", video, "-o", tmp_path / "b")
        == 0
    )
    assert (tmp_path / "b" / "dog.mp4").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "xml"], "unknown format 'xml'"),
        (["--to", "blur"], "--video"),
        (["--to", "blur", "--blur", "both"], "blur must be one of thing, rest"),
        (["--to", "coco", "--vector"], "has no option --vector"),
        (["--to", "coco", "--video", "nothing.mp4"], "no such file or folder: nothing.mp4"),
        (["--to", "coco", "-o", "."], "holds"),
    ],
)
def test_mistakes(
    tmp_path: Path,
    video: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("convert", "out", *arguments) == 2
    assert message in capsys.readouterr().err
    assert {x.name for x in tmp_path.iterdir()} == {"out", "dog.mp4"}
    assert [x.name for x in (tmp_path / "out").iterdir()] == ["masks.json"]


def test_the_video_is_not_replaced(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("convert", tmp_path / "out", "--to", "blur", "--video", video) == 0
    blurred = tmp_path / "out" / "blur" / "dog.mp4"
    before = blurred.read_bytes()
    write_out(tmp_path / "second", blurred)
    for name in ("coco", "blur"):
        assert run("convert", tmp_path / "second", "--to", name, "--video", blurred, "-o", blurred.parent) == 2
        assert "would replace the input" in capsys.readouterr().err
    assert blurred.read_bytes() == before


def test_masks_that_end_early_are_reported(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "out" / "masks.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"truncated": "interrupted after frame 4"}))
    assert run("convert", tmp_path / "out", "--to", "davis") == 0
    assert "the masks end early: interrupted after frame 4" in capsys.readouterr().err


@pytest.mark.usefixtures("tiny_default_model")
def test_segment_writes_formats_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video, out = make_video(tmp_path / "dog.mp4"), tmp_path / "new"
    command = ["segment", video, "the dog", "-o", out, "--no-overlay", "--json", "--every", 2]
    assert run(*command, "--format", "coco", "--format", "highlight") == 0
    outputs = json.loads(capsys.readouterr().out)["outputs"]
    assert outputs["coco"] == str(out / "coco")
    assert len(json.loads((out / "coco" / "instances.json").read_text())["images"]) == 3
    assert (out / "highlight" / "dog.mp4").is_file()
    assert run(*command, "--format", "xml") == 2


def blurred_video(tmp_path: Path) -> Path:
    video = make_video(tmp_path / "dog.mp4")
    write_out(tmp_path / "out", video)
    assert run("convert", tmp_path / "out", "--to", "blur", "--video", video) == 0
    return tmp_path / "out" / "blur" / "dog.mp4"


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (blurred_video, "blur", "would replace the input"),
        (lambda tmp_path: make_frames(tmp_path / "frames"), "fiftyone", "is a folder of frames"),
        (lambda tmp_path: make_picture(tmp_path / "dog.jpg"), "fiftyone", "is a picture"),
    ],
)
def test_segment_refuses_formats_before_the_model_is_loaded(
    tmp_path: Path,
    make: Callable[[Path], Path],
    name: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda *_: pytest.fail("loaded"))
    source = make(tmp_path)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    assert run("segment", source, "the dog", "-o", tmp_path / "out", "--format", "davis", "--format", name) == 2
    assert message in capsys.readouterr().err
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before
