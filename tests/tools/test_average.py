from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from scripts import load_tool
from stubs import TinyBackbone, tiny_config

from vlp_rvos.models.checkpoint import peek, save_trained
from vlp_rvos.models.vlp_rvos import VLPRVOS


def saved(path: Path, seed: int, **changes: object) -> VLPRVOS:
    torch.manual_seed(seed)
    model = VLPRVOS(TinyBackbone(), tiny_config(**changes))
    save_trained(path, model, {"steps": seed})
    return model


@pytest.fixture
def average(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    module = load_tool("average", monkeypatch)

    def load(name: str, config: dict[str, object]) -> VLPRVOS:
        model = VLPRVOS(TinyBackbone(), tiny_config().from_dict(config))
        model.load_trained(load_file(name))
        return model

    monkeypatch.setattr(module, "load_model", load)

    def run(*options: str) -> int:
        files = [str(tmp_path / f"{name}.safetensors") for name in ("first", "second")]
        monkeypatch.setattr(sys, "argv", ["average.py", *files, *options, "-o", str(tmp_path / "out.safetensors")])
        return module.main()

    return run


def test_parameters_are_interpolated_and_whole_modules_are_taken(average: Callable[..., int], tmp_path: Path) -> None:
    first, second = saved(tmp_path / "first.safetensors", 1), saved(tmp_path / "second.safetensors", 2)
    assert average("--share", "0.25", "--whole", "fusion", "--use", "min_part=0.5") == 0
    old, new = first.trained_state_dict(), second.trained_state_dict()
    for name, value in load_file(tmp_path / "out.safetensors").items():
        expected = new[name] if name.startswith("fusion.") else 0.75 * old[name] + 0.25 * new[name]
        torch.testing.assert_close(value.float(), expected, atol=2e-3, rtol=2e-3)
    info = peek(tmp_path / "out.safetensors")
    assert info.training["steps"] == 2
    assert info.training["averaged"]["share"] == 0.25
    assert info.inference_overrides == {"min_part": 0.5}


def test_models_that_do_not_fit_are_named(
    average: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "first.safetensors", 1)
    saved(tmp_path / "second.safetensors", 2, presence_width=40)
    assert average() == 1
    assert "of different shape" in capsys.readouterr().err
    assert average("--whole", "nothing") == 1
    assert "has no module nothing" in capsys.readouterr().err
