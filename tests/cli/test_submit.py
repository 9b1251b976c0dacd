from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import video_miniatures as miniatures

from vlp_rvos.cli.app import main


def test_arguments_reach_the_writer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, target = miniatures.write_mevis(tmp_path / "data"), tmp_path / "new" / "masks.zip"
    asked: list[Any] = []

    def write(dataset: Any, predictions: Path, output: Path, *, on_file: Any) -> int:
        asked.append((dataset.name, dataset.split, predictions, output))
        on_file(1, 2)
        return 12

    monkeypatch.setattr("vlp_rvos.evaluation.submission.write_submission", write)
    options = ["-o", str(target), "--data", str(folder), "--split", "valid_u"]
    assert main(["submit", "mevis", str(tmp_path / "masks"), *options]) == 0
    assert asked == [("mevis", "valid_u", tmp_path / "masks", target)]
    assert capsys.readouterr().out == f"{target}: 12 masks of 1 videos\n"
    # Before the masks are read, it is sure that the file can be written.
    assert target.parent.is_dir()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("refcoco", [], "no evaluation server takes results of 'refcoco'; use one of ref-youtube-vos, mevis"),
        ("mevis", ["--split", "test"], "no split 'test'"),
    ],
)
def test_mistakes(
    name: str, options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, target = miniatures.write_mevis(tmp_path / "data"), tmp_path / "masks.zip"
    assert main(["submit", name, str(tmp_path), "-o", str(target), "--data", str(folder), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
