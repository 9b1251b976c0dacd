from __future__ import annotations

import sys
from pathlib import Path

import pytest
from scripts import load_benchmark, run_script

from vlp_rvos.media.video_reader import open_video


def test_the_generated_clip_shows_a_moving_square(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("memory_length", monkeypatch)
    module.make_clip(tmp_path / "clip.mp4", 0.5, 256, 192, 10)
    images = [frame.image for frame in open_video(tmp_path / "clip.mp4")]
    assert [image.shape for image in images] == [(192, 256, 3)] * 5
    middles = [image[72] for image in images]
    lefts = [((row[:, 0] > 215) & (row[:, 2] < 90)).argmax() for row in middles]
    assert lefts == pytest.approx([0, 8, 16, 24, 32], abs=3)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs os.wait4")
def test_a_long_video_is_compared_with_a_short_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("memory_length", monkeypatch)
    options = ["--seconds", 0.3, 0.6, "--width", 64, "--height", 48, "--fps", 10, "--every", 1, 2, "--no-overlay"]
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", *options)
    assert [(run["frames"], run["every"]) for run in result["runs"]] == [(3, 1), (3, 2)]
    short, long = (run["peak_mib"] for run in result["runs"])
    assert result["rows"][0]["value"] == long / short
