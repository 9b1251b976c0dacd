from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load, load_file
from scripts import load_tool
from stubs import TinyBackbone, tiny_config

from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.models.vlp_rvos import VLPRVOS


def test_presence_head_is_trained_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    presence = load_tool("presence", monkeypatch)
    torch.manual_seed(0)
    before = VLPRVOS(TinyBackbone(), tiny_config())
    model = VLPRVOS(TinyBackbone(), tiny_config())
    model.load_trained(before.trained_state_dict())

    class BrightOrNot:
        def sample(self, index: int) -> Sample:
            bright = bool(torch.rand(()) < 0.5)
            frames = torch.full((2, 3, 32, 48), 230 if bright else 20, dtype=torch.uint8)
            return Sample(frames, ["a light"], torch.full((1, 2, 32, 48), bright), ["video"])

    splits: list[str] = []
    monkeypatch.setattr(presence, "build_mixture", lambda _, split: splits.append(split) or BrightOrNot())
    header = SimpleNamespace(training={"steps": 3}, config=before.config.to_dict())
    monkeypatch.setattr(presence, "peek", lambda _: header)
    target = tmp_path / "out.safetensors"
    monkeypatch.setattr(presence, "load_model", lambda _, use: model if use == {"min_part": 0.5} else None)
    kept = tmp_path / "kept"
    numbers = {"samples": 128, "held-out": 32, "heads": 2, "rate": 0.01, "seeds": 5, "small-seeds": 6, "width": 40}
    options = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
    options += ["--data", "none", "--keep", str(kept), "--use", "min_part=0.5", "-o", str(target)]
    monkeypatch.setattr(sys, "argv", ["presence.py", "model", *options])
    assert presence.main() == 0
    assert "256 expressions" in capsys.readouterr().out
    assert splits == ["train", "train", "holdout"]
    names = {"train-5-128-288x512", "train-6-128-224x384", "holdout-5-32-288x512"}
    assert {file.name for file in kept.iterdir()} == {f"{name}.safetensors" for name in names}
    # What was read is not read again, and gives the same head.
    first = target.read_bytes()
    assert presence.main() == 1
    target.unlink()
    assert presence.main() == 0
    assert len(splits) == 3
    assert load_file(target).keys() == load(first).keys()
    assert all(torch.equal(value, load(first)[name]) for name, value in load_file(target).items())

    old, new = before.trained_state_dict(), load_file(target)
    changed = {
        name for name in old if old[name].shape != new[name].shape or not torch.equal(old[name].half(), new[name])
    }
    assert {name.partition(".")[0] for name in changed} == {"presence_head"}
    model = VLPRVOS(TinyBackbone(), before.config.replace(presence_width=40))
    model.load_trained(new)
    frames = torch.tensor([230, 20])[:, None, None, None, None].expand(-1, 2, 3, 32, 48) / 255
    logits = model(frames, model.backbone.tokenize(["a light"] * 2)).presence_logits
    assert (logits[0] > 1).all()
    assert (logits[1] < -1).all()
