from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from vlp_rvos.cli.app import main


@pytest.mark.parametrize("options", [[], ["--format", "openvino"]])
def test_the_model_is_exported(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def export_model(model: str, output: Path, runtime: str) -> float:
        asked.append((model, output, runtime))
        output.mkdir()
        (output / "clip.onnx").write_bytes(bytes(3 * 2**20))
        return 1.5e-6

    monkeypatch.setattr("vlp_rvos.export.writer.export_model", export_model)
    monkeypatch.setattr("vlp_rvos.models.checkpoint.load_model", lambda model: f"loaded {model}")
    out, runtime = tmp_path / "out", options[-1] if options else "onnx"
    assert main(["export", "my.safetensors", "-o", str(out), *options]) == 0
    assert asked == [("loaded my.safetensors", out, runtime)]
    printed = capsys.readouterr().out
    assert printed == f"wrote {out} ({runtime}, 3 MiB); largest difference of a probability from PyTorch's: 1.5e-06\n"


def test_a_folder_with_something_else_is_refused_before_the_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlp_rvos.models.checkpoint.load_model", lambda *_: pytest.fail("loaded"))
    (tmp_path / "letter.txt").write_text("dear")
    assert main(["export", "mini", "-o", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "mini", "-o", str(tmp_path), "--format", "tensorrt"]) == 2
    assert "'tensorrt' is not one of 'onnx', 'openvino'" in capsys.readouterr().err


def test_a_name_that_the_runtimes_cannot_open_is_refused_before_the_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlp_rvos.models.checkpoint.load_model", lambda *_: pytest.fail("loaded"))
    assert main(["export", "mini", "-o", str(tmp_path / os.fsdecode(b"out\xe9"))]) == 2
    error = capsys.readouterr().err
    assert r"out\xe9: its name is not UTF-8" in error
    assert error.count("\n") == 1
