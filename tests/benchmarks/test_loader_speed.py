"""The script runs and says what it should; not how fast it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from all_miniatures import TINY, all_benchmarks
from scripts import load_benchmark, run_script
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


def test_each_source_is_compared_with_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("loader_speed", monkeypatch)
    monkeypatch.setattr(module, "random_backbone", lambda name: TinyBackbone())
    all_benchmarks(tmp_path)
    config = tmp_path / "small.yaml"
    config.write_text(CONFIG)
    sets = [f"--set=data.root={tmp_path}", f"--set=model.overrides={json.dumps(TINY)}"]
    code, result = run_script(
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


def test_another_model_is_measured_at_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("loader_speed", monkeypatch)
    config = module.load_config(Path("mini"))
    *own, other = module.settings(config, ["mini", "clip-b16"])
    assert [setting.batch for setting in own] == [stage.batch for stage in config.stages]
    assert (other.model, other.data.size, other.data.frames, other.data.keep_aspect) == (
        "clip-b16",
        (352, 352),
        12,
        False,
    )
