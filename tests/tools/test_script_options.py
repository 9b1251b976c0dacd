from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from scripts import load_tool

from vlp_rvos.errors import UserError


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_tool("script_options", monkeypatch)


def test_the_mixture_is_that_of_the_configuration_but_for_what_is_changed(options: ModuleType, tmp_path: Path) -> None:
    parser = options.script_parser("What it does.")
    options.add_mixture(parser)
    options.add_inference_overrides(parser)
    arguments = parser.parse_args(["--data", str(tmp_path), "--config", "mini", "--use", "history=false"])
    data = options.read_mixture(arguments, clips=1, seed=7)
    assert (data.root, data.clips, data.seed) == (str(tmp_path), 1, 7)
    assert data.hold_out == ("rhino", "dance-jump", "scooter-gray")
    assert options.inference_overrides(arguments) == {"history": False}


def test_an_error_is_one_line_and_exit_code_1(options: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    @options.errors_in_one_line
    def fails() -> None:
        raise UserError("no such file")

    assert fails() == 1
    assert capsys.readouterr().err == "error: no such file\n"
    assert options.errors_in_one_line(lambda: None)() == 0


def test_weights_that_are_there_stay(options: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "new/model.safetensors"
    options.prepare_weights(file)
    assert file.parent.is_dir()
    file.write_bytes(b"hours of training")
    with pytest.raises(UserError, match=r"model\.safetensors exists: name another file, or move it away"):
        options.prepare_weights(tmp_path / "other", file)
