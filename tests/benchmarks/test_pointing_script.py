from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pointed_squares import SquaresRuntime, picture
from scripts import load_benchmark, run_script

from vlp_rvos.inference.segmenter import Segmenter


def test_a_click_is_compared_with_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("JPEGImages", "Annotations"):
        (tmp_path / folder / "video").mkdir(parents=True)
    for number in range(6):
        image = picture(red=(4 * number, 0), green=(40, 40))
        Image.fromarray(image).save(tmp_path / "JPEGImages" / "video" / f"{number}.png")
        if number != 1:
            ids = (image[..., 0] > 0).astype(np.uint8) * 2
            Image.fromarray(ids).save(tmp_path / "Annotations" / "video" / f"{number}.png")
    said = {"0": {"exp": "the red one", "obj_id": "2"}, "1": {"exp": "what moves", "obj_id": "2"}}
    (tmp_path / "meta_expressions.json").write_text(json.dumps({"videos": {"video": {"expressions": said}}}))

    def load(model: str, options: Any) -> Segmenter:
        return Segmenter(SquaresRuntime(), model, options=options)

    monkeypatch.setattr(Segmenter, "from_pretrained", load)
    module = load_benchmark("pointing", monkeypatch)
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", tmp_path, "--device", "cpu")
    assert result["things"] == 1
    found = result["videos"]["video/2"]
    # The squares' runtime answers words with everything.
    assert found["words"] == pytest.approx(1 / 16)
    assert min(found["first"], found["middle"]) > 0.8
    assert result["mean_j"] == found
    _, shorter = run_script(module, monkeypatch, tmp_path / "out.json", tmp_path, "--no-words", "--video", "video")
    assert list(shorter["mean_j"]) == ["first", "middle"]
