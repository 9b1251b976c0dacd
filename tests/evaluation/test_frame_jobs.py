"""Predicting frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from referring import InMemoryDataset, Oracle, Prediction
from squares import WIDTH, SquareFinder, write_two_videos

from vlp_rvos.data.benchmarks import ref_youtube_vos
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.evaluation.frame_jobs import FrameJob, predicted_jobs, stored_jobs
from vlp_rvos.evaluation.runner import evaluate_ytvos_folder
from vlp_rvos.media.image_files import read_object_ids


@pytest.fixture
def dataset(tmp_path: Path) -> YTVOSDataset:
    return write_two_videos(tmp_path / "data")


def test_frames_of_several_sizes(dataset: YTVOSDataset) -> None:
    Image.new("RGB", (WIDTH, 20)).save(dataset.frame_path("two", "00001"))
    with pytest.raises(UserError, match="frame 00001 of video two is 40x20, not 40x30"):
        evaluate_ytvos_folder(dataset, SquareFinder())


def test_predictors_that_give_too_few_or_too_many(dataset: YTVOSDataset) -> None:
    def too_few(frames: Iterable[np.ndarray], expressions: list[str]) -> Iterator[Prediction]:
        yield next(SquareFinder()(frames, expressions))

    def too_many(frames: Iterable[np.ndarray], expressions: list[str]) -> Iterator[Prediction]:
        for prediction in SquareFinder()(frames, expressions):
            yield from (prediction, prediction)

    def one_mask(frames: Iterable[np.ndarray], expressions: list[str]) -> Iterator[Prediction]:
        return SquareFinder()(frames, expressions[:1])

    with pytest.raises(VLPRVOSError, match="only 1 of 4 frames of four"):
        evaluate_ytvos_folder(dataset, too_few)
    with pytest.raises(VLPRVOSError, match="more than the 4 frames of four"):
        evaluate_ytvos_folder(dataset, too_many)
    with pytest.raises(VLPRVOSError, match="four has 4 expressions"):
        evaluate_ytvos_folder(dataset, one_mask)


def test_frames_are_read_and_scored_one_by_one(dataset: YTVOSDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    load_frame = dataset.load_frame
    monkeypatch.setattr(dataset, "load_frame", lambda *name: (events.append("frame"), load_frame(*name))[1])
    monkeypatch.setattr(
        ref_youtube_vos, "read_object_ids", lambda path: (events.append("ids"), read_object_ids(path))[1]
    )
    evaluate_ytvos_folder(dataset, SquareFinder())
    assert events == ["frame", "ids"] * 7


@pytest.mark.parametrize("keep_all_masks", [False, True])
def test_predicted_jobs_hold_what_was_predicted(keep_all_masks: bool) -> None:
    dataset = InMemoryDataset(frames=3)
    jobs = list(predicted_jobs(dataset, Oracle(dataset), {0: {"01"}, 1: ()}, keep_all_masks=keep_all_masks))
    assert [(job.video, job.frame, job.is_scored) for job in jobs] == [
        (video, frame, (video, frame) == (0, "01")) for video in (0, 1) for frame in ("00", "01", "02")
    ]
    assert [job.masks is not None for job in jobs] == [keep_all_masks or job.is_scored for job in jobs]
    scored = jobs[1]
    assert scored.masks is not None
    np.testing.assert_array_equal(scored.masks.unpack()[1], dataset.ids["v0"][1] == 2)
    assert scored.scores == tuple(np.linspace(0.9, 0.1, 6))
    assert scored.presences == (0.5,) * 6
    assert all(job.seconds > 0 for job in jobs)


def test_stored_jobs_hold_no_masks() -> None:
    jobs = list(stored_jobs(InMemoryDataset(frames=2), {1: {"00"}}))
    assert jobs == [FrameJob(1, "00", True), FrameJob(1, "01", False)]
