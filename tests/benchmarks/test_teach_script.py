from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lessons import write_labels
from scripts import load_benchmark, run_script
from training_data import write_videos

from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.teaching.teacher import TeachResult


def test_gain_and_loss_are_measured_on_other_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = load_benchmark("teach", monkeypatch)
    taught: list[list[str]] = []

    class Blank:
        def __init__(self, model: Any) -> None:
            self.is_taught = "mine" in str(model)

        def segment(self, images: Any, texts: Any) -> Any:
            count = 1 if isinstance(texts, str) else len(texts)
            for image in images:
                yield type("Result", (), {"masks": [image[..., 0] >= 0] * count, "mask": image[..., 0] == 200})

    def teach(labelled: Any, output: Path, **options: Any) -> TeachResult:
        taught.append([frame.name for frame in labelled])
        assert all(thing.label == "red_gizmo" for frame in labelled for thing in frame.things)
        output.mkdir()
        scores = {"j": 0.5}
        (output / "report.json").write_text(json.dumps({"before": scores, "after": scores, "mix": {}}))
        return TeachResult(True)

    monkeypatch.setattr(Segmenter, "from_pretrained", Blank)
    monkeypatch.setattr(module, "teach", teach)
    options = ["--frames", 2, 3, "--test", 2, "--keep", write_videos(tmp_path / "videos"), "--keep-videos", "duck"]
    labels = write_labels(tmp_path / "labels")
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", labels, "red_gizmo", *options)
    assert [len(frames) for frames in taught] == [2, 3]
    images = [image.file_name for image in module.pictures_of(module.CocoFolder(labels), "red_gizmo")]
    assert all(name in images[2:] for frames in taught for name in frames)
    assert result["before"]["J"] == 1
    assert list(result["before"]["videos"]) == ["duck"]
    assert result["after"]["3"]["held-out J"] == [0.5, 0.5]
