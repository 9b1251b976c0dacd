"""Scores of folders of masks, and their means."""

from __future__ import annotations

from vlp_rvos.evaluation.davis import MaskScore
from vlp_rvos.evaluation.folder_scores import FolderScores, VideoScores


def test_objects_count_alike_whatever_video_they_are_in() -> None:
    one, two, three = (VideoScores([j, j], [1.0, 0.0]) for j in (1.0, 0.5, 0.0))
    scores = FolderScores({"a": VideoScores.of_objects({1: one, 2: two}), "b": VideoScores.of_objects({1: three})})
    assert scores.videos["a"].j == [0.75, 0.75]
    assert (scores.j_mean, scores.f_mean, scores.j_and_f) == (0.5, 0.5, 0.5)
    written = scores.to_json()
    assert list(written["videos"]["a"]) == ["1", "2"]
    assert written["videos"]["a"]["2"]["F_decay"] == 1.0


def test_empty_masks_are_told_from_others() -> None:
    frames = [MaskScore(1.0, 1.0, 0, 0, 0), MaskScore(0.0, 0.0, 5, 0, 0)]
    empty, found = VideoScores.of_frames(frames[:1]), VideoScores.of_frames(frames)
    assert (empty.has_target, empty.has_prediction) == (False, False)
    assert (found.has_target, found.has_prediction) == (False, True)
    assert FolderScores({"a": empty, "b": found}).to_json()["N_acc"] == 0.5
