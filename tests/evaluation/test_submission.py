"""Zip files for the evaluation servers: their layout, that they are complete, and that equal masks give equal bytes."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import video_miniatures as miniatures
from PIL import Image
from referring import InMemoryDataset

from vlp_rvos.cli.app import main
from vlp_rvos.data.benchmarks import open_benchmark
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.submission import write_submission

MAKERS: dict[str, Callable[[Path], Path]] = {
    "ref-youtube-vos": miniatures.write_ref_youtube_vos,
    "mevis": miniatures.write_mevis,
}


@pytest.fixture(params=list(MAKERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def data(name: str, tmp_path: Path) -> Path:
    """The benchmark, with a complete set of masks beside it."""
    folder = MAKERS[name](tmp_path / "data")
    for video in open_benchmark(name, folder, "valid").videos:
        for expression in video.expressions:
            for frame in video.frames:
                path = tmp_path / "masks" / video.name / expression.id / f"{frame}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((48, 64), 255 * (frame > "00001"), np.uint8)).save(path)
    return folder


def submit(name: str, masks: Path, data: Path, target: Path, *more: str) -> int:
    return main(["submit", name, str(masks), "-o", str(target), "--data", str(data), *more])


def test_the_layout(name: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks, target = tmp_path / "masks", tmp_path / "new" / "result.zip"
    (masks / "unknown_video" / "0").mkdir(parents=True)
    (masks / "unknown_video" / "0" / "00000.png").write_bytes(b"")
    (masks / "notes.txt").write_text("mine")
    assert submit(name, masks, data, target) == 0, capsys.readouterr().err
    prefix = {"ref-youtube-vos": "Annotations/", "mevis": ""}[name]
    dataset = open_benchmark(name, data, "valid")
    expected = [
        f"{prefix}{video.name}/{expression.id}/{frame}.png"
        for video in dataset.videos
        for expression in video.expressions
        for frame in video.frames
    ]
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == expected
        assert archive.testzip() is None
        for file in expected:
            assert archive.read(file) == (masks / file.removeprefix(prefix)).read_bytes()
    assert os.listdir(target.parent) == ["result.zip"]
    assert f"{len(expected)} masks of {len(dataset.videos)} videos" in capsys.readouterr().out


def test_equal_masks_give_equal_bytes(name: str, data: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    assert submit(name, masks, data, tmp_path / "first.zip") == 0
    for file in masks.rglob("*.png"):
        os.utime(file, (time.time() - 10**6,) * 2)
        file.chmod(0o600)
    assert submit(name, masks, data, tmp_path / "second.zip") == 0
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    (tmp_path / "folder").mkdir()
    masks.rename(tmp_path / "folder" / "Annotations")
    assert submit(name, tmp_path / "folder", data, tmp_path / "third.zip") == 0
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "third.zip").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda file: file.unlink(),
            "incomplete: 1 of {total} masks of {name} valid are missing, the first one is {file}",
        ),
        (lambda file: file.write_bytes(b"nothing"), "{file} is not a PNG file"),
        (lambda file: Image.new("L", (10, 10)).save(file), "{file} is 10x10, but "),
    ],
)
def test_what_the_server_would_refuse(
    change: Callable[[Path], object],
    message: str,
    name: str,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = sorted((tmp_path / "masks").rglob("*.png"))
    change(files[5])
    target = tmp_path / "result.zip"
    target.write_text("old")
    assert submit(name, tmp_path / "masks", data, target) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message.format(total=len(files), name=name, file=files[5]) in error
    assert target.read_text() == "old"


def test_a_zip_of_the_user_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, target = miniatures.write_mevis(tmp_path / "data"), tmp_path / "mine.zip"
    dataset = open_benchmark("mevis", folder, "valid")
    for video in dataset.videos:
        for expression in video.expressions:
            for frame in video.frames:
                file = tmp_path / "masks" / video.name / expression.id / f"{frame}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (8, 8)).save(file)
    for _ in range(2):
        assert submit("mevis", tmp_path / "masks", folder, target) == 0
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("00000.png", "mine")
    before = target.read_bytes()
    assert submit("mevis", tmp_path / "masks", folder, target) == 2
    assert "mine.zip exists, and vlp-rvos did not write it" in capsys.readouterr().err
    assert target.read_bytes() == before


def test_other_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit("refcoco", tmp_path, tmp_path, tmp_path / "x.zip") == 2
    assert "no evaluation server takes results of 'refcoco'" in capsys.readouterr().err
    folder = miniatures.write_mevis(tmp_path / "data")
    assert submit("mevis", tmp_path / "nowhere", folder, tmp_path / "x.zip") == 2
    assert "no such folder of predicted masks" in capsys.readouterr().err
    assert submit("mevis", tmp_path, folder, tmp_path / "x.zip", "--split", "test") == 2
    assert "no split 'test'" in capsys.readouterr().err
    with pytest.raises(UserError, match="no evaluation server takes results of in-memory"):
        write_submission(InMemoryDataset(), tmp_path, tmp_path / "x.zip")
