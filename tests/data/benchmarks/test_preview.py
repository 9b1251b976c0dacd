"""The contact sheet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import video_miniatures as miniatures

from vlp_rvos.data.benchmarks import (
    ReferringDataset,
    ReferringExpression,
    ReferringVideo,
    open_benchmark,
)
from vlp_rvos.data.benchmarks.preview import contact_sheet

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "ref-youtube-vos": miniatures.write_ref_youtube_vos,
    "ref-davis17": miniatures.write_ref_davis17,
    "mevis": miniatures.write_mevis,
}


@pytest.mark.parametrize("name", BUILDERS)
def test_sheet_shows_masks(name: str, tmp_path: Path) -> None:
    dataset = open_benchmark(name, BUILDERS[name](tmp_path / name), "train")
    sheet = contact_sheet(dataset, 2, seed=3)
    assert np.array_equal(sheet, contact_sheet(dataset, 2, seed=3))
    assert not np.array_equal(sheet, contact_sheet(dataset, 2, seed=4))
    yellow = (np.abs(np.asarray(sheet, int) - (255, 225, 90)).sum(axis=-1) < 60).sum()
    assert yellow > 20
    # Fewer expressions than asked for.
    total = sum(len(video.expressions) for video in dataset.videos)
    assert contact_sheet(dataset, 100).size == contact_sheet(dataset, total).size


def test_sheet_without_truth(tmp_path: Path) -> None:
    dataset = open_benchmark("ref-youtube-vos", miniatures.write_ref_youtube_vos(tmp_path), "valid")
    sheet = contact_sheet(dataset, 4)
    assert sheet.width > sheet.height
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet(dataset, 0)


class OddMasks(ReferringDataset):
    """One annotated frame of many, whose mask is a pixel smaller."""

    name, split = "odd", "test"
    videos = (ReferringVideo("v", [f"{i:05}" for i in range(50)], [ReferringExpression("0", "it", (0,))]),)

    def load_frame(self, video: str, frame: str) -> np.ndarray:
        return np.zeros((48, 65, 3), np.uint8)

    def load_objects(self, video: str, frame: str) -> dict[int, np.ndarray] | None:
        return {0: np.ones((48, 64), bool)} if frame == "00033" else None


def test_sheet_of_rare_annotations_of_another_size() -> None:
    sheet = np.asarray(contact_sheet(OddMasks(), 1), int)
    # Half black, half the colour of masks; the text is shorter than an ellipsis.
    assert (np.abs(sheet - (127, 32, 32)).sum(axis=-1) < 12).sum() > 0.4 * 320 * 200


@pytest.mark.parametrize("text", ["", "W" * 500, "the man " * 60, "a 犬 on the left"])
def test_sheet_with_texts_of_any_length(text: str) -> None:
    dataset = OddMasks()
    dataset.videos = [ReferringVideo("v", ["00033"], [ReferringExpression("0", text, (0,))])]
    sheet = np.asarray(contact_sheet(dataset, 1))
    # The margin stays empty.
    assert (sheet[:, -4:] == sheet[0, 0]).all()
