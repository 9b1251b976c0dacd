from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from scripts import load_tool
from stubs import tiny_config

from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.models.backbones.mini import MiniBackbone, MiniConfig
from vlp_rvos.models.checkpoint import peek
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.batches import Batch, collate


@pytest.mark.slow
def test_narrower_mlps_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = load_tool("narrow", monkeypatch)
    torch.manual_seed(0)
    tower = MiniConfig(width=32, layers=3, heads=2, mlp_width=24)
    wide = VLPRVOS(MiniBackbone(tower).freeze(), tiny_config(motion=True)).eval()
    before = {name: value.clone() for name, value in wide.state_dict().items()}

    class Noise:
        def sample(self, index: int) -> Sample:
            draw = torch.Generator().manual_seed(index)
            frames = torch.randint(256, (4, 3, 64, 96), generator=draw, dtype=torch.uint8)
            masks = torch.zeros(2, 4, 64, 96, dtype=torch.bool)
            return Sample(frames, ["a dog", "the red car on the left"], masks, ["video"] * 2)

    asked: list[tuple[int, str]] = []
    monkeypatch.setattr(narrow, "build_mixture", lambda data, split: asked.append((data.seed, split)) or Noise())
    drawn: list[int] = []

    def batches(data: MixtureConfig, position: int, **_: int) -> Iterator[Batch]:
        asked.append((data.seed, "batches"))
        for index in range(position, 4):
            drawn.append(index)
            yield collate([Noise().sample(index)], clips=2)

    monkeypatch.setattr(narrow, "load_batches", batches)
    header = SimpleNamespace(training={"steps": 3}, config=wide.config.to_dict())
    monkeypatch.setattr(narrow, "peek", lambda _: header)
    monkeypatch.setattr(narrow, "load_model", lambda _, use: wide if use == {"min_part": 0.5} else None)

    def run(*options: str) -> int:
        kept = ["--data", "none", "--use", "min_part=0.5", "--samples", "2", "--seed", "5", "--keep", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", ["narrow.py", "model", *kept, *options])
        return narrow.main()

    def misses(*options: str) -> list[float]:
        outputs = tmp_path / "tower.safetensors", tmp_path / "model.safetensors"
        for file in outputs:
            # Weights that are there are not replaced.
            file.unlink(missing_ok=True)
        assert run(*options, "--backbone", str(outputs[0]), "-o", str(outputs[1])) == 0
        return [float(share) for share in re.findall(r"misses ([\d.]+) of", capsys.readouterr().out)]

    # As wide as before, and nothing learned yet: the channels only change their places.
    assert misses("--tower", "24", "--reasoning", "2", "--epochs", "0", "--minutes", "0") == pytest.approx(
        [0] * 9, abs=1e-3
    )
    assert [run("--part", str(part), "2") for part in range(2)] == [0, 0]
    size = ("--tower", "16", "--reasoning", "1.5")
    untaught = misses(*size, "--epochs", "0", "--minutes", "0")
    taught = misses(*size, "--epochs", "40", "--minutes", "1")
    assert all(after < 0.8 * before for before, after in zip(untaught, taught, strict=True))
    assert asked == [(5, "train"), (6, "batches"), *[(5, "train")] * 2, *[(6, "batches")] * 2]
    assert drawn == [0, 0, *range(4)]

    assert run("--tower", "25", "--backbone", "tower", "-o", "model", "--minutes", "0") == 1
    assert "24 channels in the tower" in capsys.readouterr().err

    assert all(torch.equal(value, before[name]) for name, value in wide.state_dict().items())
    backbone = MiniBackbone(replace(tower, mlp_width=16))
    frozen = load_file(tmp_path / "tower.safetensors")
    assert frozen.keys() == backbone.aligned_state_dict().keys()
    changed = {name for name in frozen if frozen[name].shape != before[f"backbone.{name}"].shape}
    assert {name.split(".")[2] for name in changed} == {"fc1", "fc2"}
    info = peek(tmp_path / "model.safetensors")
    assert (info.config["mlp_ratio"], info.training["narrowed"]["steps"]) == (1.5, 4)
    assert info.inference_overrides == {"min_part": 0.5}
