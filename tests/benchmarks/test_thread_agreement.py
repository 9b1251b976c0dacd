from __future__ import annotations

from pathlib import Path

import pytest
import torch
from clips import noise, write_folder
from scripts import load_benchmark, run_script
from segmenters import ScriptedSegmenter

SIZE = (48, 64)


def test_counts_of_threads_are_compared_with_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("thread_agreement", monkeypatch)
    logits = torch.zeros(1, *SIZE)
    logits[0, :24] = 1.0
    monkeypatch.setattr(module.Segmenter, "from_pretrained", lambda *_: ScriptedSegmenter(logits, [0.9]))

    def set_threads(count: int) -> None:
        # Three threads find half of the frame that the others leave out.
        logits[0, 24:] = 1.0 if count == 3 else -1.0

    monkeypatch.setattr(module.torch, "set_num_threads", set_threads)
    video = write_folder(tmp_path / "frames", noise(3, SIZE[::-1]))
    arguments = [video, "the dog", "--counts", 1, 2, 3]
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", *arguments)
    assert (result["frames"], result["pixels"]) == (3, 3 * 48 * 64)
    values = [row["value"] for row in result["rows"]]
    between = torch.sigmoid(torch.tensor([1.0])) - torch.sigmoid(torch.tensor([-1.0]))
    assert values[:2] == [0, 0]
    assert values[2] == pytest.approx(between.item())
    assert values[3] == pytest.approx(0.5, abs=0.03)
