from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from scripts import load_benchmark


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_benchmark("benchmark_options", monkeypatch)


def test_only_the_options_that_are_asked_for_exist(options: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["script.py", "--json", "numbers.json"])
    found = vars(options.parse_options(options.benchmark_parser("What it does.", rounds=3)))
    assert found == {"rounds": 3, "json": Path("numbers.json")}


@pytest.mark.parametrize(
    ("option", "content", "code"),
    [
        ("--json", b'{"ratio": 1}', None),
        ("--json", b"", None),
        ("--json", b"notes of mine", 2),
        ("--json", b"[1]", 2),
        ("--plot", b"\x89PNG\r\n\x1a\n...", None),
        ("--plot", b'{"ratio": 1}', 2),
    ],
)
def test_outputs_replace_results_only(
    option: str,
    content: bytes,
    code: int | None,
    options: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "out"
    file.write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["script.py", option, str(file)])
    parser = options.benchmark_parser(None, plot=True)
    if code is None:
        options.parse_options(parser)
    else:
        with pytest.raises(SystemExit, match="2"):
            options.parse_options(parser)
        assert f"error: {file} exists, and vlp-rvos did not write it" in capsys.readouterr().err
    assert file.read_bytes() == content


def test_the_number_of_threads_is_set(options: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr(sys, "argv", ["script.py"])
    try:
        options.parse_options(options.benchmark_parser(None, threads=before + 1))
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_a_preset_without_weights_gets_random_ones(options: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [options.has_weights(name) for name in ("mini", "clip-b16", "nothing.safetensors")] == [True, False, False]
    monkeypatch.setattr(options.checkpoint, "load_model", lambda name: f"weights of {name}")
    assert options.build_model("mini") == "weights of mini"
    with pytest.raises(options.checkpoint.UserError, match="unknown"):
        options.build_model("nothing")


def test_numbers_are_printed_and_written(
    options: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options.write_numbers({"ratio": 0.5}, tmp_path / "numbers.json")
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "numbers.json").read_text()) == {"ratio": 0.5}
