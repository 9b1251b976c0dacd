"""Scoring images of object ids, one for each annotator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from referring import HEIGHT, DatasetWithVoid, InMemoryDataset, Oracle, shifted
from scipy.optimize import linear_sum_assignment

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.evaluation.annotator_scorer import AnnotatorScorer
from vlp_rvos.evaluation.davis import boundary_measure, region_similarity
from vlp_rvos.evaluation.frame_jobs import FrameJob
from vlp_rvos.evaluation.packed_masks import PackedMasks
from vlp_rvos.evaluation.protocols import PROTOCOLS
from vlp_rvos.evaluation.runner import evaluate_dataset

DAVIS = PROTOCOLS["ref-davis17"]


def plain_davis(labels: np.ndarray, truth: np.ndarray, void: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean J and F of each object by the unsupervised task of DAVIS, written out; all (T, H, W)."""
    table = np.zeros((3, 3, 2, len(truth)))
    for t in range(len(truth)):
        for p in range(3):
            for g in range(3):
                masks = ((labels[t] == p + 1) & ~void[t], (truth[t] == g + 1) & ~void[t])
                table[p, g, :, t] = region_similarity(*masks), boundary_measure(*masks)
    rows, columns = linear_sum_assignment(-table.mean(axis=(2, 3)))
    chosen = table[rows, columns].mean(axis=-1)
    order = np.argsort(columns)
    return chosen[order, 0].tolist(), chosen[order, 1].tolist()


@pytest.mark.parametrize("kind", [InMemoryDataset, DatasetWithVoid])
def test_objects_of_an_annotator_share_an_image(kind: type[InMemoryDataset], tmp_path: Path) -> None:
    dataset = kind(annotators=("1", "2"))

    def shuffled(masks: np.ndarray) -> np.ndarray:
        # The first annotator's expressions are mistaken for one another; the second one's masks are moved.
        return np.concatenate([masks[[1, 2, 0]], shifted(masks[3:])])

    scores = evaluate_dataset(dataset, Oracle(dataset, shuffled), protocol=DAVIS, output=tmp_path, worst=1)
    per_annotator = []
    for annotator in ("1", "2"):
        means = []
        for video in dataset.videos:
            files = [tmp_path / annotator / video.name / f"{frame}.png" for frame in video.frames]
            labels = np.stack([np.asarray(Image.open(file)) for file in files])
            truth = dataset.ids[video.name]
            void = np.zeros(truth.shape, bool)
            if isinstance(dataset, DatasetWithVoid):
                void = np.stack([dataset.load_void(video.name, frame) for frame in video.frames])
            j, f = plain_davis(labels, truth, void)
            rows = scores.videos[video.name]
            assert [np.mean(rows[f"{i}{annotator}"].j) for i in (1, 2, 3)] == pytest.approx(j)
            assert [np.mean(rows[f"{i}{annotator}"].f) for i in (1, 2, 3)] == pytest.approx(f)
            means += list(zip(j, f, strict=True))
        per_annotator.append(np.mean(means, axis=0))
    expected = np.mean(per_annotator, axis=0)
    metrics = scores.metrics
    assert (metrics["J_mean"], metrics["F_mean"]) == pytest.approx(tuple(expected))
    assert scores.kinds["1"][0].j_and_f == pytest.approx(1)
    without = metrics["J&F_without_assignment"]
    assert without is not None
    assert without < expected.mean() - 0.2
    assert evaluate_dataset(dataset, tmp_path, protocol=DAVIS).metrics == metrics


def test_a_pixel_belongs_to_the_mask_with_the_best_score() -> None:
    dataset = InMemoryDataset(annotators=("1",))
    masks = np.zeros((3, HEIGHT, 32), bool)
    masks[0, :10], masks[1, 5:15], masks[2, 9:20] = True, True, True
    job = FrameJob(0, "00", True, PackedMasks.pack(masks), (0.4, 0.9, 0.0))
    scorer = AnnotatorScorer(dataset, DAVIS)
    owned = [scorer.load_mask(job, i)[:, 0].nonzero()[0].tolist() for i in range(3)]
    assert owned == [list(range(5)), list(range(5, 15)), list(range(15, 20))]


@pytest.mark.parametrize("workers", [1, 2])
def test_black_and_white_masks_are_told(tmp_path: Path, workers: int) -> None:
    """They can hold one object only, whatever the number of objects."""
    dataset = InMemoryDataset(annotators=("1",))
    evaluate_dataset(dataset, Oracle(dataset), protocol=DAVIS, output=tmp_path)
    first = dataset.videos[0]
    for frame in first.frames:
        file = tmp_path / "1" / first.name / f"{frame}.png"
        Image.fromarray((np.asarray(Image.open(file)) == 1).astype(np.uint8) * 255).save(file)
    with pytest.warns(VLPRVOSWarning) as warned:
        scores = evaluate_dataset(dataset, tmp_path, protocol=DAVIS, workers=workers)
    assert [str(warning.message) for warning in warned if warning.category is VLPRVOSWarning] == [
        f"{tmp_path / '1' / first.name / first.frames[0]}.png holds only 0 and 255: "
        "in such masks of a video, 255 is read"
        " as object 1"
    ]
    rows = scores.videos[first.name]
    assert np.mean(rows["11"].j) == 1
    assert np.mean(rows["21"].j) < 0.5


def test_expressions_of_several_objects_are_refused() -> None:
    dataset = InMemoryDataset(number=1)
    with pytest.raises(UserError, match="must refer to one object"):
        evaluate_dataset(dataset, Oracle(dataset), protocol=DAVIS)
