"""Where masks lie in a folder of predictions."""

from __future__ import annotations

from pathlib import Path

from vlp_rvos.evaluation.mask_paths import annotator_mask_path, expression_mask_path


def test_each_expression_has_a_folder_in_its_video() -> None:
    assert expression_mask_path("dog", "3", "00005") == Path("dog/3/00005.png")


def test_each_annotator_has_a_folder_of_videos() -> None:
    assert annotator_mask_path("1_full_video", "dog", "00005") == Path("1_full_video/dog/00005.png")
    assert annotator_mask_path("", "dog", "00005") == Path("dog/00005.png")
