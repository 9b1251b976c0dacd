"""Score a folder of predicted masks against a folder of true masks, as the DAVIS evaluation does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.evaluation.davis import MaskScore, TrueMask
from vlp_rvos.evaluation.folder_scores import FolderScores, VideoScores
from vlp_rvos.evaluation.protocols import frames_to_score
from vlp_rvos.media.image_files import is_black_and_white, read_mask, read_object_ids, white_is_object
from vlp_rvos.utils.natural_order import natural_order
from vlp_rvos.utils.processes import available_cores, ordered_map

__all__ = ["score_mask_folders"]

MIN_PARALLEL_VIDEOS = 4
"""Number of videos from which it pays to start several processes."""

FRAMES_PER_CHUNK = 16
"""Number of frames that a process takes at a time."""

VOID = 255


def score_mask_folders(
    prediction: Path,
    truth: Path,
    *,
    skip_ends: bool = False,
    objects: bool = False,
    workers: int | None = None,
    on_frame: Callable[[int, int], None] | None = None,
) -> FolderScores:
    """Score `<prediction>/<video>/<frame>.png` against `<truth>/<video>/<frame>.png`.

    The true masks decide which videos and frames are scored. Frames are in the order of the numbers in their names.
    Every value above 0 belongs to a mask; with `objects` every value is the id of an object. The number of processes
    does not change the result.

    Args:
        prediction: folder of the predicted masks.
        truth: folder of the true masks.
        skip_ends: leave out the first and the last frame of every video, as DAVIS-2017 does.
        objects: score each object of a video apart, as DAVIS-2017 does. The objects of a video are all ids up to the
            largest one in its first true mask. The id 255 is void and does not count; but where the first mask of a
            video is a gray image of 0 and 255 alone, 255 is object 1.
        workers: number of processes; None for all cores if there are more than a few videos. With more than one
            process, a script that calls this function needs the usual `if __name__ == "__main__"`.
        on_frame: called after every frame with the number of frames done and their total.

    Returns:
        Scores of the videos in the order of their names.

    Raises:
        UserError: a video or frame is missing, an image is unreadable, or two masks differ in size; the message names
            it.

    Warns:
        VLPRVOSWarning: predicted masks without true masks, which are ignored; masks whose 255 is object 1.
    """
    frames = _list_frames(prediction, truth, skip_ends)
    ids: dict[str, tuple[int, ...]] = dict.fromkeys(frames, ())
    whites = dict.fromkeys(frames, (True, True))
    if objects:
        ids = {video: _object_ids(truth / video) for video in frames}
        predicted = _find_white_objects({video: prediction / video / names[0] for video, names in frames.items()})
        true = _find_white_objects({video: truth / video / _mask_files(truth / video)[0] for video in frames})
        whites = {video: (predicted[video], true[video]) for video in frames}
    jobs = [
        _Job(prediction / video / name, truth / video / name, ids[video], *whites[video])
        for video, names in frames.items()
        for name in names
    ]
    if workers is None:
        workers = available_cores() if len(frames) >= MIN_PARALLEL_VIDEOS else 1
    scores = []
    for _, score in ordered_map(_score_frame, jobs, workers=workers, chunk=FRAMES_PER_CHUNK):
        scores.append(score)
        if on_frame is not None:
            on_frame(len(scores), len(jobs))
    remaining = iter(scores)
    videos = {}
    for video, names in frames.items():
        parts = [VideoScores.of_frames(part) for part in zip(*(next(remaining) for _ in names), strict=True)]
        videos[video] = VideoScores.of_objects(dict(zip(ids[video], parts, strict=True))) if objects else parts[0]
    return FolderScores(videos)


@dataclass(frozen=True, slots=True)
class _Job:
    """Two files to compare.

    Attributes:
        prediction: file of the predicted mask.
        truth: file of the true mask.
        objects: ids of the objects to score apart; without ids the whole masks are compared.
        predicted_white: whether 255 is object 1 in the predicted mask, should it hold nothing else.
        true_white: the same of the true mask.
    """

    prediction: Path
    truth: Path
    objects: tuple[int, ...]
    predicted_white: bool
    true_white: bool


def _score_frame(job: _Job) -> list[MaskScore]:
    """One score, or one for each object."""
    try:
        return _compare(job)
    except MemoryError:
        # A damaged header can make an image millions of pixels long.
        raise UserError(f"the masks {job.prediction} and {job.truth} are too large for the memory") from None


def _compare(job: _Job) -> list[MaskScore]:
    if job.objects:
        ids = read_object_ids(job.prediction, white_is_object=job.predicted_white)
        true_ids = read_object_ids(job.truth, white_is_object=job.true_white)
        _check_sizes(job, ids.shape, true_ids.shape)
        return [TrueMask(true_ids == i).compare(ids == i) for i in job.objects]
    mask, true_mask = read_mask(job.prediction), read_mask(job.truth)
    _check_sizes(job, mask.shape, true_mask.shape)
    return [TrueMask(true_mask).compare(mask)]


def _check_sizes(job: _Job, predicted: tuple[int, ...], true: tuple[int, ...]) -> None:
    if predicted != true:
        raise UserError(
            f"the predicted mask {job.prediction} is {predicted[1]}x{predicted[0]}, "
            f"but the true one {job.truth} is {true[1]}x{true[0]}"
        )


def _list_frames(prediction: Path, truth: Path, skip_ends: bool) -> dict[str, list[str]]:
    """Video -> names of the mask files to score. Anything missing is reported here, before anything is scored."""
    for folder, what in ((prediction, "predicted"), (truth, "true")):
        if not folder.is_dir():
            raise UserError(f"no such folder of {what} masks: {folder}")
    frames = {video: _mask_files(truth / video) for video in _video_folders(truth)}
    if not frames:
        raise UserError(f"no videos in {truth}: true masks must lie at <video>/<frame>.png")
    extra_frames = 0
    for video, names in frames.items():
        if not names:
            raise UserError(f"no true masks in {truth / video}: they must lie at <video>/<frame>.png")
        if not (prediction / video).is_dir():
            raise UserError(f"no prediction for video {video}: there is no folder {prediction / video}")
        predicted = set(_mask_files(prediction / video))
        extra_frames += len(predicted.difference(names))
        frames[video] = frames_to_score(names, video, skip_ends)
        if missing := [name for name in frames[video] if name not in predicted]:
            more = f" (and {len(missing) - 1} more of this video)" if len(missing) > 1 else ""
            raise UserError(f"no prediction for the true mask {truth / video / missing[0]}{more}")
    if extra := sorted(set(_video_folders(prediction)).difference(frames)):
        more = f" and {len(extra) - 3} more" if len(extra) > 3 else ""
        message = f"ignored predicted videos without true masks: {', '.join(extra[:3])}{more}"
        warnings.warn(message, VLPRVOSWarning, stacklevel=3)
    if extra_frames:
        message = f"ignored {extra_frames} predicted frame(s) without true masks"
        warnings.warn(message, VLPRVOSWarning, stacklevel=3)
    return frames


def _video_folders(folder: Path) -> list[str]:
    names = (entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return sorted(names, key=natural_order)


def _mask_files(folder: Path) -> list[str]:
    files = (file for file in folder.glob("*.png") if not file.name.startswith("."))
    return [file.name for file in sorted(files, key=lambda file: natural_order(file.stem))]


def _object_ids(folder: Path) -> tuple[int, ...]:
    first = folder / _mask_files(folder)[0]
    ids = read_object_ids(first)
    largest = int(ids[ids != VOID].max(initial=0))
    if not largest:
        raise UserError(f"{first} has no object: its ids say which objects of the video are scored")
    return tuple(range(1, largest + 1))


def _find_white_objects(first_masks: Mapping[str, Path]) -> dict[str, bool]:
    """Video -> whether 255 is an object in its masks and not void. Those in which it is are told."""
    whites = {video: white_is_object(file) for video, file in first_masks.items()}
    told = [file for file in first_masks.values() if is_black_and_white(file)]
    if told:
        warnings.warn(
            f"the masks of {len(told)} video(s) hold only 0 and 255, which is read as object 1 and not as void"
            f" (first: {told[0]})",
            VLPRVOSWarning,
            stacklevel=3,
        )
    return whites
