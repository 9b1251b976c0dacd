"""What counts as a predictor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from squares import HEIGHT, WIDTH, write_two_videos
from stubs import TinyBackbone, tiny_config

from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.evaluation.prediction import each_frame_alone
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


def test_each_frame_alone() -> None:
    def predict(frames: Iterable[Any], expressions: list[str]) -> Iterator[Any]:
        for count, frame in enumerate(frames, start=1):
            yield int(frame.max()), expressions, count

    frames = [np.full((2, 3, 3), value, np.uint8) for value in (4, 7)]
    assert list(each_frame_alone(predict)(frames, ["red"])) == [(4, ["red"], 1), (7, ["red"], 1)]
