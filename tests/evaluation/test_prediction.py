"""What counts as a predictor."""

from __future__ import annotations

from pathlib import Path

import pytest
from squares import HEIGHT, WIDTH, write_two_videos
from stubs import TinyBackbone, tiny_config

from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.evaluation.runner import evaluate_ytvos_folder
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.media.image_files import read_mask
from vlp_rvos.models.vlp_rvos import VLPRVOS


@pytest.fixture
def dataset(tmp_path: Path) -> YTVOSDataset:
    return write_two_videos(tmp_path / "data")


def test_a_segmenter_is_a_predictor(dataset: YTVOSDataset, tmp_path: Path) -> None:
    segmenter = Segmenter(VLPRVOS(TinyBackbone(), tiny_config()))
    scores = evaluate_ytvos_folder(dataset, segmenter.segment, output=tmp_path / "out")
    assert {name: len(entries) for name, entries in scores.videos.items()} == {"four": 4, "two": 2}
    first = next(iter(segmenter.segment([dataset.load_frame("four", "00000")], ["red"])))
    score = scores.videos["four"]["0"]
    assert len(score.j) == 4
    assert read_mask(tmp_path / "out" / "four" / "0" / "00000.png").shape == first.mask.shape == (HEIGHT, WIDTH)
    assert all(0 < presence < 1 for presence in score.presences)
