from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from vlp_rvos.cli.app import main
from vlp_rvos.models.checkpoint import shipped_models
from vlp_rvos.models.model_config import PRESETS

NUMBERS = {
    "load_seconds": 1.0,
    "first_result_seconds": 2.0,
    "frames_per_second": 3.25,
    "peak_memory_bytes": 2**30,
    "frames": 24,
    "height": 360,
    "width": 640,
    "threads": 2,
}


def test_presets_and_shipped_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert [line.split()[0] for line in lines] == sorted({*PRESETS, *shipped_models()})
    assert [line.split()[0] for line in lines if line.endswith("  ready to use")] == shipped_models()
    (mini,) = [line for line in lines if line.startswith("mini ")]
    assert f"width {PRESETS['mini'].width}, input {PRESETS['mini'].input_size}, clip 6" in mini


def test_every_shipped_model_states_size_licence_and_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    models = {model["name"]: model for model in json.loads(capsys.readouterr().out)["models"]}
    for name in shipped_models():
        model = models[name]
        assert model["trained_parameters"] > 10**6
        assert model["file_bytes"] > 10**6
        assert model["licence"]
        assert len(model["accuracy"]["numbers"]) >= 2
        assert "`" not in model["licence"] + model["accuracy"]["text"]
    assert "licence" not in models["clip-b16"]


def test_measured_speed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(models: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        return ((model, NUMBERS) for model in models)

    monkeypatch.setattr("vlp_rvos.profiling.model_speed.measure_models", measure)
    assert main(["models", "--measure"]) == 0
    line = (
        "            measured here: 3.25 frames/s, first result after 2.00 s, loaded in 1.00 s, peak memory 1.00 GiB "
        "(24 frames of 640x360, 2 threads)"
    )
    assert capsys.readouterr().out.splitlines().count(line) == len(shipped_models())
    assert main(["models", "--measure", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    assert [model["measured"] for model in models if model["ready"]] == [NUMBERS] * len(shipped_models())
