"""Collect the scores of frames, in their order, into the scores of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from vlp_rvos.data.benchmarks.referring_dataset import ReferringVideo
from vlp_rvos.evaluation.assignment import best_assignment
from vlp_rvos.evaluation.dataset_scores import DatasetScores, WorstCase
from vlp_rvos.evaluation.expression_kinds import KindsOf
from vlp_rvos.evaluation.expression_scores import ExpressionScores
from vlp_rvos.evaluation.frame_jobs import FrameJob
from vlp_rvos.evaluation.frame_scorer import FrameScorer
from vlp_rvos.evaluation.frame_scores import FrameScores, ScoreMatrix
from vlp_rvos.evaluation.packed_masks import PackedMasks

__all__ = ["ScoreCollector"]


class ScoreCollector:
    """Collects the scores of frames.

    Args:
        scorer: scorer of the frames.
        videos: indices of the videos that will be scored, in their order.
        kinds: gives the kind of each expression of a video.
        max_worst: number of the worst expressions to keep for a report.

    Attributes:
        result: scores of everything that was added. The statistics of a video are complete after its last frame.
    """

    def __init__(self, scorer: FrameScorer, videos: Iterable[int], kinds: KindsOf, max_worst: int) -> None:
        self._scorer, self._max_worst = scorer, max_worst
        self._videos = scorer.dataset.videos
        self.result = DatasetScores(
            scorer.protocol, {self._videos[i].name: _empty_scores(self._videos[i], kinds) for i in videos}
        )
        self._start_video()

    def add(self, job: FrameJob, frame: FrameScores) -> int:
        """Add the next frame. The frames of a video must come one after another.

        Returns:
            How many frames of this video were added so far.
        """
        video = self._videos[job.video]
        self.result.frames += 1
        self.result.seconds += job.seconds
        self._frames_done += 1
        if job.presences:
            for entry, presence in zip(self.result.videos[video.name].values(), job.presences, strict=True):
                entry.presences.append(presence)
        self._add_scores(job, frame, video)
        for expression, coco_entry in zip(video.expressions, frame.coco_entries, strict=False):
            if coco_entry is not None:
                self.result.coco_entries[video.name, expression.id, job.frame] = coco_entry
        for annotator, matrix in frame.matrices.items():
            self._matrices.setdefault(annotator, []).append(matrix)
        done = self._frames_done
        if done == len(video.frames):
            self._finish_video(video)
            self._start_video()
        return done

    def _start_video(self) -> None:
        self._frames_done = 0
        self._worst_frames: dict[str, WorstCase] = {}
        self._matrices: dict[str, list[ScoreMatrix]] = {}

    def _add_scores(self, job: FrameJob, frame: FrameScores, video: ReferringVideo) -> None:
        for position, (expression, score) in enumerate(zip(video.expressions, frame.scores, strict=True)):
            if score is None:
                continue
            self.result.videos[video.name][expression.id].add(score)
            worst = self._worst_frames.get(expression.id)
            if self._max_worst and (worst is None or score.wrong_area > worst.score.wrong_area):
                mask = PackedMasks.pack(self._scorer.load_mask(job, position)[None])
                self._worst_frames[expression.id] = WorstCase(video.name, expression.id, job.frame, score, mask)

    def _finish_video(self, video: ReferringVideo) -> None:
        cases = [*self.result.worst, *self._worst_frames.values()]
        self.result.worst = sorted(cases, key=self._j_and_f)[: self._max_worst]
        for annotator, matrices in self._matrices.items():
            self._assign_objects(video, annotator, matrices)

    def _j_and_f(self, case: WorstCase) -> float:
        means = self.result.videos[case.video][case.expression].means
        return means.j_and_f if means else 1.0

    def _assign_objects(self, video: ReferringVideo, annotator: str, matrices: Sequence[ScoreMatrix]) -> None:
        """Give every true object the scores of the predicted object that the best assignment gives it."""
        # (predicted objects, true objects, J or F, frames).
        table = np.array([[[(score.j, score.f) for score in row] for row in matrix.scores] for matrix in matrices])
        table = table.transpose(1, 2, 3, 0)
        assigned = best_assignment(table.mean(axis=(2, 3)))
        described = {
            expression.object_ids[0]: expression
            for expression in video.expressions
            if (expression.annotator or "") == annotator and expression.object_ids
        }
        scores = self.result.videos[video.name]
        for true, (i, predicted) in enumerate(zip(matrices[0].true_objects, assigned, strict=True)):
            self.result.scores_without_assignment.append(float(table[true, true].mean()))
            # An object that the annotator did not describe counts too: its predicted mask is empty.
            key = described[i].id if i in described else f"{annotator}:{i}"
            entry = scores.setdefault(key, ExpressionScores("", annotator or None))
            entry.j, entry.f = table[predicted, true].tolist()
            entry.has_target |= any(matrix.scores[true][true].true_area for matrix in matrices)


def _empty_scores(video: ReferringVideo, kinds: KindsOf) -> dict[str, ExpressionScores]:
    return {
        expression.id: ExpressionScores(expression.text, kind)
        for expression, kind in zip(video.expressions, kinds(video), strict=True)
    }
