from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from clips import noise, write_folder
from scripts import load_benchmark, run_script
from segmenters import ScriptedSegmenter

from vlp_rvos.inference.segmenter import Segmenter


def test_models_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_folder(tmp_path / "video", noise(1) * 3)
    logits = torch.full((2, 12, 16), -9.0)
    logits[0, 3:9, 4:12] = 9.0

    def load(model: str, options: Any) -> ScriptedSegmenter:
        assert (options.device, options.presence_threshold) == ("cpu", 0.25)
        return ScriptedSegmenter(logits, [0.9, 0.9])

    monkeypatch.setattr(Segmenter, "from_pretrained", load)
    options = ["--model", "a", "--model", "b", "--device", "cpu", "--presence-threshold", 0.25]
    module = load_benchmark("flicker", monkeypatch)
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", video, "the dog", "a cat", *options)
    assert result["video"] == "video"
    assert list(result["models"]) == ["a", "b"]
    assert result["models"]["a"] == {
        "frames": 3,
        "mean_iou": 1.0,
        "expressions": {"the dog": {"mean_iou": 1.0, "pairs": 2}, "a cat": {"mean_iou": None, "pairs": 0}},
    }
