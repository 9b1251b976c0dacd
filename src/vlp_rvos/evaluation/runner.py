"""Predict and score the expressions of a data set, frame by frame, by the benchmark's own protocol.

The scoring knows nothing of the model: `evaluate_dataset` takes any function from frames and expressions to masks, or a
folder of masks that somebody else's model made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.ref_youtube_vos import RefYouTubeVOS
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringVideo
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.evaluation import protocols
from vlp_rvos.evaluation.assignment import best_assignment
from vlp_rvos.evaluation.dataset_scores import DatasetScores, ExpressionScores, WorstCase
from vlp_rvos.evaluation.expression_kinds import KindsOf, expression_kinds, target_kinds
from vlp_rvos.evaluation.frame_scorer import (
    FrameJob,
    FrameOutcome,
    FrameScorer,
    PackedMasks,
    Pairs,
    make_scorer,
)
from vlp_rvos.evaluation.prediction import Predictor
from vlp_rvos.evaluation.protocols import inner_frames
from vlp_rvos.utils.output_files import prepare_output
from vlp_rvos.utils.processes import available_cores, ordered_map

__all__ = ["evaluate_dataset", "evaluate_folder", "layout_folder"]

FRAMES_OF_WORKER = 64


"""How many frames are worth the start of a process."""


CHUNK = 8


"""Frames that a process takes at a time where it reads the masks itself."""


def evaluate_dataset(
    dataset: ReferringDataset,
    predictions: Predictor | Path,
    *,
    protocol: protocols.Protocol = protocols.FOLDER,
    output: Path | None = None,
    kinds: KindsOf | None = None,
    workers: int | None = None,
    worst: int = 0,
    on_frame: Callable[[int], None] | None = None,
) -> DatasetScores:
    """Predict every expression of every video, or read what was predicted, and score it against the truth.

    Frames are predicted, scored and written as they come, so memory does not grow with the video. Scoring and writing
    is spread over processes; the result does not depend on their number. Expressions without truth (test sets) are
    predicted and written, but not scored.

    Args:
        dataset: what to score against.
        predictions: a predictor, which gets all expressions of a video at once; or a folder of masks,
            `<video>/<expression id>/<frame>.png`, for protocols with annotators `<annotator>/<video>/<frame>.png`.
        protocol: which frames count, and how.
        output: where to write the masks in the same layout: what the Ref-YouTube-VOS server takes.
        kinds: what kind each expression of a video is; None for `target_kinds`.
        workers: number of processes; None takes all cores for more than a few frames. With more than one, a script
            that calls this needs the usual `if __name__ == "__main__"`.
        worst: how many of the worst expressions to keep for a report.
        on_frame: called after every frame with the number of frames of its video that are done.

    Raises:
        UserError: a missing or broken file, masks of another size than the truth, or nothing to do.
        VLPRVOSError: the predictor gave too few or too many frames, or a process died.
    """
    folder = predictions if isinstance(predictions, Path) else None
    what = f"{dataset.name} {dataset.split}".strip()
    videos = [i for i, video in enumerate(dataset.videos) if video.expressions]
    if not videos:
        raise UserError(f"{what} has no expressions")
    scored = [i for i in videos if any(x.object_ids is not None for x in dataset.videos[i].expressions)]
    if not scored and (folder is not None or output is None):
        raise UserError(
            f"{what} has no truth (no obj_id, no masks), so nothing can be scored; name an output folder for masks"
        )
    scorer = make_scorer(dataset, protocol, predictions=folder, output=output)
    evaluation = _Evaluation(dataset, scorer, kinds or target_kinds, worst)
    for i in scored:
        evaluation.scored[i] = set(_frames_to_score(dataset.videos[i], protocol))
    if folder is not None:
        _check_predictions(scorer, evaluation.scored, folder)
    if output is not None:
        prepare_output(output, folder=True)
    if workers is None:
        frames = sum(len(dataset.videos[i].frames) for i in videos)
        workers = min(available_cores(), 1 + frames // FRAMES_OF_WORKER)
    jobs = evaluation.predict(videos, predictions) if not isinstance(predictions, Path) else evaluation.read(videos)
    chunk = 1 if folder is None else CHUNK
    done, current = 0, -1
    for job, outcome in ordered_map(scorer, jobs, workers=workers, chunk=chunk):
        done, current = (done + 1 if job.video == current else 1), job.video
        evaluation.take(job, outcome)
        if done == len(dataset.videos[job.video].frames):
            evaluation.finish(job.video)
        if on_frame is not None:
            on_frame(done)
    return evaluation.result


def evaluate_folder(
    reader: YTVOSDataset,
    predict: Predictor,
    *,
    output: Path | None = None,
    skip_ends: bool = False,
    kinds: Sequence[str] | None = None,
    workers: int | None = None,
    worst: int = 0,
    on_frame: Callable[[int], None] | None = None,
) -> DatasetScores:
    """`evaluate_dataset` for any folder in the Ref-YouTube-VOS layout; all its files must be there.

    Args:
        reader: of the folder.
        predict: see `evaluate_dataset`.
        output: see `evaluate_dataset`.
        skip_ends: leave every video's first and last frame out of the scores, as DAVIS-2017 does.
        kinds: names of the kinds of expression by position; see `expression_kinds`.
        workers: see `evaluate_dataset`.
        worst: see `evaluate_dataset`.
        on_frame: see `evaluate_dataset`.

    Raises:
        UserError: see `evaluate_dataset`; missing files are found before anything is predicted.
        VLPRVOSError: see `evaluate_dataset`.
    """
    named = {video.name: expression_kinds(video, kinds) for video in reader.videos}
    protocol = protocols.Protocol(protocols.FOLDER.summary, skip_ends=skip_ends)
    dataset = layout_folder(reader)
    for video in dataset.videos:
        if video.expressions:
            _check_files(reader, video, protocol)
    return evaluate_dataset(
        dataset,
        predict,
        protocol=protocol,
        output=output,
        kinds=lambda video: named[video.name],
        workers=workers,
        worst=worst,
        on_frame=on_frame,
    )


def layout_folder(reader: YTVOSDataset) -> RefYouTubeVOS:
    """A folder in the Ref-YouTube-VOS layout as a data set whose every frame is annotated."""
    return RefYouTubeVOS(str(reader.folder), "", reader, reader.videos, objects={}, annotated=True)


class _Evaluation:
    """The state of a running evaluation."""

    def __init__(self, dataset: ReferringDataset, scorer: FrameScorer, kinds: KindsOf, worst: int) -> None:
        self.dataset, self.scorer, self.kinds, self.worst = dataset, scorer, kinds, worst
        self.result = DatasetScores(scorer.protocol)
        self.scored: dict[int, set[str]] = {}
        self._cases: dict[int, WorstCase] = {}
        self._pairs: dict[str, list[Pairs]] = {}

    def read(self, videos: Iterable[int]) -> Iterator[FrameJob]:
        """Jobs for masks that lie in a folder."""
        for i in videos:
            self._open(i)
            for frame in self.dataset.videos[i].frames:
                yield FrameJob(i, frame, frame in self.scored.get(i, ()))

    def predict(self, videos: Iterable[int], predict: Predictor) -> Iterator[FrameJob]:
        """Jobs with the masks that a predictor makes."""
        for i in videos:
            video, scores = self.dataset.videos[i], list(self._open(i).values())
            texts = [expression.text for expression in video.expressions]
            predictions = iter(predict(_frames(self.dataset, video), texts))
            for done, frame in enumerate(video.frames):
                started = time.perf_counter()
                prediction = next(predictions, None)
                self.result.seconds += time.perf_counter() - started
                if prediction is None:
                    raise VLPRVOSError(f"only {done} of {len(video.frames)} frames of {video.name} were predicted")
                masks = np.asarray(prediction.masks, dtype=np.bool_)
                if masks.ndim != 3 or len(masks) != len(texts):
                    raise VLPRVOSError(f"{video.name} has {len(texts)} expressions, but masks came as {masks.shape}")
                for score, presence in zip(scores, prediction.presences, strict=True):
                    score.presences.append(float(presence))
                scored = frame in self.scored.get(i, ())
                used = scored or self.scorer.output is not None
                packed = PackedMasks.pack(masks) if used else None
                yield FrameJob(i, frame, scored, packed, tuple(float(score) for score in prediction.scores))
            if next(predictions, None) is not None:
                raise VLPRVOSError(f"more than the {len(video.frames)} frames of {video.name} were predicted")

    def take(self, job: FrameJob, outcome: FrameOutcome) -> None:
        """Add a frame that is done."""
        self.result.frames += 1
        video = self.dataset.videos[job.video]
        scores = self.result.videos[video.name]
        for position, (expression, score) in enumerate(zip(video.expressions, outcome.scores, strict=True)):
            if score is None:
                continue
            scores[expression.id].add(score)
            case = self._cases.get(position)
            if self.worst and (case is None or score.wrong > case.score.wrong):
                packed = PackedMasks.pack(self.scorer.mask(job, position)[None])
                self._cases[position] = WorstCase(video.name, expression.id, job.frame, score, packed)
        for expression, sample in zip(video.expressions, outcome.samples, strict=False):
            if sample is not None:
                self.result.samples[video.name, expression.id, job.frame] = sample
        for annotator, pairs in outcome.pairs.items():
            self._pairs.setdefault(annotator, []).append(pairs)

    def finish(self, video: int) -> None:
        """All frames of a video are done."""
        name = self.dataset.videos[video].name
        scores = self.result.videos[name]

        def badness(case: WorstCase) -> float:
            means = self.result.videos[case.video][case.expression].means
            return means.j_and_f if means else 1.0

        self.result.worst = sorted([*self.result.worst, *self._cases.values()], key=badness)[: self.worst]
        for annotator, pairs in self._pairs.items():
            self._assign(self.dataset.videos[video], annotator, pairs, scores)
        self._cases, self._pairs = {}, {}

    def _open(self, index: int) -> dict[str, ExpressionScores]:
        video = self.dataset.videos[index]
        scores = {
            expression.id: ExpressionScores(expression.text, kind)
            for expression, kind in zip(video.expressions, self.kinds(video), strict=True)
        }
        self.result.videos[video.name] = scores
        return scores

    def _assign(
        self, video: ReferringVideo, annotator: str, pairs: Sequence[Pairs], scores: dict[str, ExpressionScores]
    ) -> None:
        """Give every true object the scores of the predicted one that fits it in the best assignment."""
        # (predicted, true, J or F, frames).
        table = np.array([[[(score.j, score.f) for score in row] for row in frame.scores] for frame in pairs])
        table = table.transpose(1, 2, 3, 0)
        chosen = best_assignment(table.mean(axis=(2, 3)))
        own = {
            expression.object_ids[0]: expression
            for expression in video.expressions
            if (expression.annotator or "") == annotator and expression.object_ids
        }
        for true, (i, predicted) in enumerate(zip(pairs[0].objects, chosen, strict=True)):
            self.result.as_said.append(float(table[true, true].mean()))
            # An object that nobody described counts too: its mask is empty.
            key = own[i].id if i in own else f"{annotator}:{i}"
            row = scores.setdefault(key, ExpressionScores("", annotator or None))
            row.j, row.f = table[predicted, true].tolist()
            row.has_target |= any(frame.scores[true][true].true for frame in pairs)


def _frames_to_score(video: ReferringVideo, protocol: protocols.Protocol) -> list[str]:
    return inner_frames(video.frames, video.name, protocol.skip_ends)


def _check_predictions(scorer: FrameScorer, scored: Mapping[int, set[str]], folder: Path) -> None:
    """Find out that masks are missing before an hour is spent on the others."""
    if not folder.is_dir():
        raise UserError(f"no such folder of predicted masks: {folder}")
    missing, total = [], 0
    for i, frames in scored.items():
        video = scorer.dataset.videos[i]
        for frame in (frame for frame in video.frames if frame in frames):
            files = scorer.files(video, frame)
            total += len(files)
            missing += [file for file in files if not (folder / file).is_file()]
    if missing:
        raise UserError(f"{len(missing)} of {total} masks are missing in {folder}, the first one is {missing[0]}")


def _check_files(reader: YTVOSDataset, video: ReferringVideo, protocol: protocols.Protocol) -> None:
    """Missing files of the last video should not be found out after hours of prediction."""
    files = [reader.frame_path(video.name, frame) for frame in video.frames]
    if any(expression.object_ids is not None for expression in video.expressions):
        files += [reader.annotation_path(video.name, frame) for frame in _frames_to_score(video, protocol)]
    for file in files:
        if not file.is_file():
            raise UserError(f"no such image: {file}")


def _frames(dataset: ReferringDataset, video: ReferringVideo) -> Iterator[NDArray[np.uint8]]:
    shape = None
    for name in video.frames:
        frame = dataset.load_frame(video.name, name)
        shape = shape or frame.shape
        if frame.shape != shape:
            sizes = f"{frame.shape[1]}x{frame.shape[0]}, not {shape[1]}x{shape[0]}"
            raise UserError(f"frame {name} of video {video.name} is {sizes} like the frames before it")
        yield frame
