"""Predict and score a data set, frame by frame, by a benchmark's own protocol.

Scoring does not depend on a model: `evaluate_dataset` takes any function from frames and expressions to masks, or a
folder of masks, whoever made them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from vlp_rvos.data.benchmarks.ref_youtube_vos import RefYouTubeVOS
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringVideo
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.annotator_scorer import AnnotatorScorer
from vlp_rvos.evaluation.dataset_scores import DatasetScores
from vlp_rvos.evaluation.expression_kinds import KindsOf, expression_kinds, target_kinds
from vlp_rvos.evaluation.expression_scorer import ExpressionScorer
from vlp_rvos.evaluation.frame_jobs import predicted_jobs, stored_jobs
from vlp_rvos.evaluation.frame_scorer import FrameScorer
from vlp_rvos.evaluation.prediction import Predictor
from vlp_rvos.evaluation.protocols import DEFAULT_PROTOCOL, Measure, Protocol, frames_to_score
from vlp_rvos.evaluation.score_collector import ScoreCollector
from vlp_rvos.media.png_mark import is_marked_png
from vlp_rvos.utils.output_files import prepare_output, refuse_foreign
from vlp_rvos.utils.processes import available_cores, ordered_map

__all__ = ["evaluate_dataset", "evaluate_ytvos_folder", "ytvos_folder_dataset"]

FRAMES_PER_WORKER = 64
"""Number of frames for which it pays to start one more process."""

STORED_FRAMES_PER_CHUNK = 8
"""Number of frames that a process takes at a time if it reads the masks itself."""


def evaluate_dataset(
    dataset: ReferringDataset,
    predictions: Predictor | Path,
    *,
    protocol: Protocol = DEFAULT_PROTOCOL,
    output: Path | None = None,
    kinds: KindsOf | None = None,
    workers: int | None = None,
    worst: int = 0,
    on_frame: Callable[[int], None] | None = None,
) -> DatasetScores:
    """Predict every expression of every video, or read what was predicted, and compare it with the true masks.

    Frames are predicted, scored and written one by one, so memory does not grow with the length of a video. Several
    processes score and write; their number does not change the result. Expressions without true masks (test sets) are
    predicted and written, but not scored.

    Args:
        dataset: the data set to predict and score.
        predictions: a predictor, which gets all expressions of a video at once; or a folder of masks at
            `<video>/<expression id>/<frame>.png`, for protocols with annotators at
            `<annotator>/<video>/<frame>.png`.
        protocol: which frames are scored, and how.
        output: folder to write the masks to, at the same paths, as the server of Ref-YouTube-VOS takes them.
        kinds: gives the kind of each expression of a video; None for `target_kinds`.
        workers: number of processes; None for all cores if there are more than a few frames. With more than one
            process, a script that calls this function needs the usual `if __name__ == "__main__"`.
        worst: number of the worst expressions to keep for a report.
        on_frame: called after every frame with the number of frames of its video that are done.

    Raises:
        UserError: a file is missing or broken, `output` holds masks that were not written by this package or were
            changed since, masks differ in size from the true ones, or there is nothing to do.
        VLPRVOSError: the predictor gave too few or too many frames, or a process died.
    """
    folder = predictions if isinstance(predictions, Path) else None
    what = f"{dataset.name} {dataset.split}".strip()
    videos = [i for i, video in enumerate(dataset.videos) if video.expressions]
    if not videos:
        raise UserError(f"{what} has no expressions")
    if not any(_has_truth(dataset.videos[i]) for i in videos) and (folder is not None or output is None):
        raise UserError(
            f"{what} has no truth (no obj_id, no masks), so nothing can be scored; name an output folder for masks"
        )
    scored = {i: set(_scored_frames(dataset.videos[i], protocol)) for i in videos}
    make_scorer = AnnotatorScorer if protocol.measure is Measure.annotators else ExpressionScorer
    scorer = make_scorer(dataset, protocol, folder, output)
    if folder is not None:
        _check_predictions(scorer, scored, folder)
    if output is not None:
        _refuse_foreign_masks(scorer, videos, output)
        prepare_output(output, folder=True)
    if workers is None:
        frames = sum(len(dataset.videos[i].frames) for i in videos)
        workers = min(available_cores(), 1 + frames // FRAMES_PER_WORKER)
    if isinstance(predictions, Path):
        jobs, chunk = stored_jobs(dataset, scored), STORED_FRAMES_PER_CHUNK
    else:
        jobs, chunk = predicted_jobs(dataset, predictions, scored, keep_all_masks=output is not None), 1
    collector = ScoreCollector(scorer, videos, kinds or target_kinds, worst)
    for job, scores in ordered_map(scorer, jobs, workers=workers, chunk=chunk):
        done = collector.add(job, scores)
        if on_frame is not None:
            on_frame(done)
    return collector.result


def evaluate_ytvos_folder(
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
    """`evaluate_dataset` for any folder in the Ref-YouTube-VOS layout whose files are all there.

    Args:
        reader: reader of the folder.
        predict: the predictor; it gets all expressions of a video at once.
        output: see `evaluate_dataset`.
        skip_ends: do not score the first and the last frame of every video, as DAVIS-2017 does.
        kinds: names of the kinds of expression, by the position of an expression in its video; see `expression_kinds`.
        workers: see `evaluate_dataset`.
        worst: see `evaluate_dataset`.
        on_frame: see `evaluate_dataset`.

    Raises:
        UserError: see `evaluate_dataset`; missing files are found before anything is predicted.
        VLPRVOSError: see `evaluate_dataset`.
    """
    kinds_by_video = {video.name: expression_kinds(video, kinds) for video in reader.videos}
    protocol = Protocol(DEFAULT_PROTOCOL.summary, skip_ends=skip_ends)
    dataset = ytvos_folder_dataset(reader)
    for video in dataset.videos:
        if video.expressions:
            _check_files(reader, video, protocol)
    return evaluate_dataset(
        dataset,
        predict,
        protocol=protocol,
        output=output,
        kinds=lambda video: kinds_by_video[video.name],
        workers=workers,
        worst=worst,
        on_frame=on_frame,
    )


def ytvos_folder_dataset(reader: YTVOSDataset) -> RefYouTubeVOS:
    """A folder in the Ref-YouTube-VOS layout as a data set in which every frame is annotated."""
    return RefYouTubeVOS(str(reader.folder), "", reader, reader.videos, objects={}, annotated=True)


def _has_truth(video: ReferringVideo) -> bool:
    return any(expression.object_ids is not None for expression in video.expressions)


def _scored_frames(video: ReferringVideo, protocol: Protocol) -> list[str]:
    return frames_to_score(video.frames, video.name, protocol.skip_ends) if _has_truth(video) else []


def _check_predictions(scorer: FrameScorer, scored: Mapping[int, Collection[str]], folder: Path) -> None:
    """Report missing masks before any time is spent on scoring the others."""
    if not folder.is_dir():
        raise UserError(f"no such folder of predicted masks: {folder}")
    missing, total = [], 0
    for i, frames in scored.items():
        video = scorer.dataset.videos[i]
        for frame in (frame for frame in video.frames if frame in frames):
            files = scorer.mask_files(video, frame)
            total += len(files)
            missing += [file for file in files if not (folder / file).is_file()]
    if missing:
        raise UserError(f"{len(missing)} of {total} masks are missing in {folder}, the first one is {missing[0]}")


def _refuse_foreign_masks(scorer: FrameScorer, videos: Collection[int], output: Path) -> None:
    """Find masks of other origin before they are replaced: true masks, or corrected ones."""
    for video in (scorer.dataset.videos[i] for i in videos):
        for frame in video.frames:
            for file in scorer.mask_files(video, frame):
                refuse_foreign(output / file, is_marked_png)


def _check_files(reader: YTVOSDataset, video: ReferringVideo, protocol: Protocol) -> None:
    """Report missing files before any time is spent on prediction."""
    files = [reader.frame_path(video.name, frame) for frame in video.frames]
    files += [reader.annotation_path(video.name, frame) for frame in _scored_frames(video, protocol)]
    for file in files:
        if not file.is_file():
            raise UserError(f"no such image: {file}")
