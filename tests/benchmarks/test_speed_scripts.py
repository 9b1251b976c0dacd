"""The scripts that measure the speed of reading and of scoring run, and say what they should; not how fast it is."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from all_miniatures import TINY, all_benchmarks
from stubs import TinyBackbone

CONFIG = """
name: small
model: {preset: mini}
data:
  sources:
    - {kind: videos, folder: ref-youtube-vos/train, weight: 1}
    - {kind: benchmark, name: mevis, folder: mevis, weight: 1}
  clip_length: 1
  clips: 1
  height: 32
  width: 64
  expressions: 1
stages:
  - {until: 0.5, height: 32, width: 32, clip_length: 1, clips: 1, batch: 2}
  - {until: 1.0, height: 32, width: 64, clip_length: 2, clips: 2}
batch: 1
"""


def script(name: str) -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(module: ModuleType, monkeypatch: pytest.MonkeyPatch, out: Path, *arguments: object) -> tuple[int, Any]:
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments), "--json", str(out)])
    code = module.main()
    return code, json.loads(out.read_text())


def test_loader_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("loader_speed")
    monkeypatch.setattr(module, "random_backbone", lambda name: TinyBackbone())
    all_benchmarks(tmp_path)
    config = tmp_path / "small.yaml"
    config.write_text(CONFIG)
    sets = [f"--set=data.root={tmp_path}", f"--set=model.overrides={json.dumps(TINY)}"]
    code, result = run(
        module, monkeypatch, tmp_path / "out.json", config, *sets, "--samples", 2, "--steps", 1, "--threads", 1
    )
    assert [(entry["model"], entry["stage"], entry["batch"]) for entry in result["settings"]] == [
        ("mini", 0, 2),
        ("mini", 1, 1),
    ]
    for entry in result["settings"]:
        assert list(entry["sources"]) == [
            "mixture",
            "benchmark ref-youtube-vos/train",
            "videos ref-youtube-vos/train",
            "benchmark mevis",
        ]
        for source in entry["sources"].values():
            assert source["ratio"] == source["samples_per_second"] / entry["model_samples_per_second"]
    needed = [entry["sources"]["mixture"]["workers_needed"] for entry in result["settings"]]
    assert (result["workers_needed"], code) == (max(needed), max(needed) > 1)


def test_loader_speed_of_another_model_is_at_its_size() -> None:
    module = script("loader_speed")
    config = module.load_config(Path("mini"))
    *own, other = module.settings(config, ["mini", "clip-b16"])
    assert [setting.batch for setting in own] == [stage.batch for stage in config.stages]
    assert (other.model, other.data.size, other.data.frames, other.data.keep_aspect) == (
        "clip-b16",
        (352, 352),
        12,
        False,
    )


def test_evaluation_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("evaluation_speed")
    for name, value in {"HEIGHT": 160, "WIDTH": 400, "OBJECTS": 1, "EXPRESSIONS": 2}.items():
        monkeypatch.setattr(module, name, value)
    arguments = ["--videos", 1, "--frames", 2, "--repeats", 1, "--workers", 1]
    code, result = run(module, monkeypatch, tmp_path / "out.json", *arguments)
    assert result["masks"] == 4
    assert result["largest_difference"] <= 1e-9
    assert result["ratio"] == result["median_seconds"]["plain"] / result["median_seconds"]["ours"]
    assert code == (result["ratio"] < 3)
