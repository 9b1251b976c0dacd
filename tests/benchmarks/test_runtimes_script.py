from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from clips import noise, write_folder
from scripts import load_benchmark
from stubs import tiny_model

from vlp_rvos.errors import UserError


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_benchmark("runtimes", monkeypatch)


def test_forms_are_compared_with_the_reference(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model().eval()
    clips = script.read_clips(write_folder(tmp_path / "frames", noise(5)), model.config, 16)
    assert [tuple(clip.shape) for clip in clips] == [(1, 3, 3, 48, 64), (1, 2, 3, 48, 64)]
    open_form = script.open_form

    def without_int8(form: str, *rest: Any) -> object:
        if form == "torch int8":
            raise UserError("not on this processor")
        return open_form(form, *rest)

    monkeypatch.setattr(script, "open_form", without_int8)
    result = script.measure(model, clips, ["the dog"], ["torch bf16", "torch int8"], None, 1)
    assert list(result["seconds_per_clip"]) == list(result["mask_iou"]) == ["torch fp32", "torch bf16"]
    assert result["clip_over_torch_fp32"]["torch fp32"] == result["mask_iou"]["torch fp32"] == 1
    assert result["mask_share"] == pytest.approx(0.5, abs=0.01)
    assert result["left_out"] == {"torch int8": "not on this processor"}


def test_overlap(script: ModuleType) -> None:
    a, b = torch.tensor([True, True, False]), torch.tensor([False, True, True])
    assert script.overlap(a, b) == pytest.approx(1 / 3)
    assert script.overlap(a & False, b & False) == 1


def test_the_plot(script: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = {
        "model": "mini",
        "frames": 6,
        "height": 224,
        "width": 384,
        "clip_over_torch_fp32": {"torch fp32": 1.0, "torch bf16": 0.6},
        "mask_iou": {"torch fp32": 1.0, "torch bf16": 0.99},
    }
    script.draw(result, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
