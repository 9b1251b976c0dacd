from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scripts import load_benchmark, run_script


def test_what_is_compared_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("frame_work", monkeypatch)
    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    floats = module.resized_floats(frame, (20, 30))[0]
    whole = module.resize_image(frame, (20, 30))
    torch.testing.assert_close(
        whole.float().reshape(floats.shape) * (255 if whole.max() <= 1 else 1), floats, atol=1, rtol=0
    )
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 5:30] = 1
    ours = module.palette_png(mask[10:20, 5:30], (10, 5), (40, 60), 1)
    assert len(ours) < len(module.pillow_png(mask))
    with Image.open(io.BytesIO(ours)) as image:
        np.testing.assert_array_equal(np.asarray(image), mask)


def test_frame_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("frame_work", monkeypatch)
    size = ["--width", 64, "--height", 48, "--rounds", 1, "--threads", 1]
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", *size)
    assert [row["what"] for row in result["rows"]] == [
        "a frame of 64x48 to 512x288, bytes / floats",
        "704x384 to 512x288, bytes / floats",
        "mask image of 64x48, ours / Pillow's",
    ]
