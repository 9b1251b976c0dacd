"""What all scorers of frames have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
from referring import InMemoryDataset

from vlp_rvos.evaluation.annotator_scorer import AnnotatorScorer
from vlp_rvos.evaluation.expression_scorer import ExpressionScorer
from vlp_rvos.evaluation.frame_jobs import FrameJob
from vlp_rvos.evaluation.frame_scorer import FrameScorer
from vlp_rvos.evaluation.protocols import DEFAULT_PROTOCOL


@pytest.mark.parametrize("kind", [ExpressionScorer, AnnotatorScorer])
def test_a_frame_that_is_neither_scored_nor_written_is_not_read(kind: type[FrameScorer], tmp_path: Path) -> None:
    scorer = kind(InMemoryDataset(annotators=("1",)), DEFAULT_PROTOCOL, predictions=tmp_path / "nowhere")
    assert scorer(FrameJob(0, "00", is_scored=False)).scores == [None] * 3


def test_paths_of_masks() -> None:
    dataset = InMemoryDataset(annotators=("1", "2"))
    video = dataset.videos[0]
    of_expressions = ExpressionScorer(dataset, DEFAULT_PROTOCOL).mask_files(video, "00")
    assert of_expressions == [Path("v0", f"{i}{annotator}", "00.png") for annotator in "12" for i in (1, 2, 3)]
    of_annotators = AnnotatorScorer(dataset, DEFAULT_PROTOCOL).mask_files(video, "00")
    assert of_annotators == [Path("1", "v0", "00.png"), Path("2", "v0", "00.png")]
