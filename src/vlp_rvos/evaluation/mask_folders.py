"""Scores of folders of predicted masks against folders of true masks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.evaluation.davis import FrameScore, Statistics, TrueMask, statistics
from vlp_rvos.evaluation.protocols import inner_frames
from vlp_rvos.evaluation.target_accuracy import target_accuracy
from vlp_rvos.media.image_files import read_mask, read_object_ids
from vlp_rvos.utils.processes import available_cores, ordered_map

__all__ = ["FolderScores", "VideoScores", "evaluate_folders"]

PARALLEL_VIDEOS = 4


"""From how many videos on several processes are worth starting."""


VOID = 255


CHUNK = 16


"""Frames that a process takes at a time."""


@dataclass(frozen=True)
class VideoScores:
    """J and F of every scored frame of a video, or of one of its objects, in [0, 1].

    Attributes:
        j, f: one value a frame; of a video whose objects are scored apart, their mean.
        has_target: whether a true mask of the video has a pixel.
        is_found: whether a predicted one has.
        objects: id -> the same of each object, where they are scored apart.
    """

    j: list[float]
    f: list[float]
    has_target: bool = True
    is_found: bool = True
    objects: Mapping[int, VideoScores] = field(default_factory=dict)

    @classmethod
    def of_frames(cls, scores: Sequence[FrameScore]) -> VideoScores:
        """From the scores of each frame."""
        return cls(
            [score.j for score in scores],
            [score.f for score in scores],
            has_target=any(score.true for score in scores),
            is_found=any(score.predicted for score in scores),
        )

    @classmethod
    def of_objects(cls, objects: Mapping[int, VideoScores]) -> VideoScores:
        """From the scores of each object."""
        parts = objects.values()
        return cls(
            [fmean(values) for values in zip(*(part.j for part in parts), strict=True)],
            [fmean(values) for values in zip(*(part.f for part in parts), strict=True)],
            has_target=any(part.has_target for part in parts),
            is_found=any(part.is_found for part in parts),
            objects=objects,
        )

    @property
    def parts(self) -> list[VideoScores]:
        """What counts as one in means over a folder: the objects where they are scored apart, else the video."""
        return list(self.objects.values()) or [self]

    @property
    def j_statistics(self) -> Statistics:
        """Mean, recall and decay of J."""
        return statistics(self.j)

    @property
    def f_statistics(self) -> Statistics:
        """Mean, recall and decay of F."""
        return statistics(self.f)


@dataclass(frozen=True)
class FolderScores:
    """Scores of all videos. The means are means over videos, or over all objects, of their means over frames."""

    videos: Mapping[str, VideoScores]

    @property
    def j_mean(self) -> float:
        """Mean J."""
        return fmean(part.j_statistics.mean for part in self._parts)

    @property
    def f_mean(self) -> float:
        """Mean F."""
        return fmean(part.f_statistics.mean for part in self._parts)

    @property
    def j_and_f(self) -> float:
        """Mean of J and F."""
        return (self.j_mean + self.f_mean) / 2

    def to_json(self) -> dict[str, Any]:
        """What `vlp-rvos evaluate masks --json` writes."""
        videos = {
            name: {str(i): _entry(part) for i, part in video.objects.items()} if video.objects else _entry(video)
            for name, video in self.videos.items()
        }
        report = {"videos": videos, "J_mean": self.j_mean, "F_mean": self.f_mean, "J&F": self.j_and_f}
        n_acc, t_acc = target_accuracy((part.has_target, part.is_found) for part in self._parts)
        return report if n_acc is None else report | {"N_acc": n_acc, "T_acc": t_acc}

    @property
    def _parts(self) -> list[VideoScores]:
        return [part for video in self.videos.values() for part in video.parts]


def evaluate_folders(
    prediction: Path,
    truth: Path,
    *,
    skip_ends: bool = False,
    objects: bool = False,
    workers: int | None = None,
    on_frame: Callable[[int, int], None] | None = None,
) -> FolderScores:
    """Score `<prediction>/<video>/<frame>.png` against `<truth>/<video>/<frame>.png`.

    The true masks decide which videos and frames are scored. In both, every value above 0 belongs to the mask, or with
    `objects` every value is the id of an object. The result does not depend on the number of processes.

    Args:
        prediction: folder of the predicted masks.
        truth: folder of the true masks.
        skip_ends: leave out every video's first and last frame, as DAVIS-2017 does.
        objects: score each object of a video apart, as DAVIS-2017 does: all ids up to the largest one of the first
            true mask, without 255, which is void there.
        workers: number of processes; None takes all cores for more than a few videos. With more than one, a script
            that calls this needs the usual `if __name__ == "__main__"`.
        on_frame: called with the frames done and their total.

    Returns:
        Scores of the videos in the order of their names.

    Raises:
        UserError: a missing video or frame, an unreadable image, or masks of different sizes; the message names it.

    Warns:
        VLPRVOSWarning: predictions that nothing is known about, which are ignored.
    """
    frames = _list_frames(prediction, truth, skip_ends)
    ids = {video: _object_ids(truth / video) if objects else () for video in frames}
    jobs = [
        (prediction / video / name, truth / video / name, ids[video])
        for video, names in frames.items()
        for name in names
    ]
    if workers is None:
        workers = available_cores() if len(frames) >= PARALLEL_VIDEOS else 1
    scores = []
    for _, score in ordered_map(_score_frame, jobs, workers=workers, chunk=CHUNK):
        scores.append(score)
        if on_frame is not None:
            on_frame(len(scores), len(jobs))
    remaining = iter(scores)
    videos = {}
    for video, names in frames.items():
        parts = [VideoScores.of_frames(part) for part in zip(*(next(remaining) for _ in names), strict=True)]
        videos[video] = VideoScores.of_objects(dict(zip(ids[video], parts, strict=True))) if objects else parts[0]
    return FolderScores(videos)


def _list_frames(prediction: Path, truth: Path, skip_ends: bool) -> dict[str, list[str]]:
    """File names to score, by video; everything that is missing is found before anything is scored."""
    for folder, what in ((prediction, "predicted"), (truth, "true")):
        if not folder.is_dir():
            raise UserError(f"no such folder of {what} masks: {folder}")
    frames = {video: _mask_files(truth / video) for video in _video_folders(truth)}
    if not frames:
        raise UserError(f"no videos in {truth}: true masks are at <video>/<frame>.png")
    extra_frames = 0
    for video, names in frames.items():
        if not names:
            raise UserError(f"no true masks in {truth / video}: they are at <video>/<frame>.png")
        if not (prediction / video).is_dir():
            raise UserError(f"no prediction for video {video}: there is no folder {prediction / video}")
        predicted = set(_mask_files(prediction / video))
        extra_frames += len(predicted.difference(names))
        frames[video] = inner_frames(names, video, skip_ends)
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
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _mask_files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.png") if not file.name.startswith("."))


def _object_ids(folder: Path) -> tuple[int, ...]:
    first = folder / _mask_files(folder)[0]
    ids = read_object_ids(first)
    largest = int(ids[ids != VOID].max(initial=0))
    if not largest:
        raise UserError(f"{first} has no object: its ids say which objects of the video are scored")
    return tuple(range(1, largest + 1))


def _score_frame(job: tuple[Path, Path, tuple[int, ...]]) -> list[FrameScore]:
    """One score, or one for each object."""
    prediction, truth, objects = job
    if objects:
        ids, true_ids = read_object_ids(prediction), read_object_ids(truth)
        _check_sizes(job, ids.shape, true_ids.shape)
        return [TrueMask(true_ids == i).compare(ids == i) for i in objects]
    mask, true_mask = read_mask(prediction), read_mask(truth)
    _check_sizes(job, mask.shape, true_mask.shape)
    return [TrueMask(true_mask).compare(mask)]


def _check_sizes(job: tuple[Path, Path, tuple[int, ...]], predicted: tuple[int, ...], true: tuple[int, ...]) -> None:
    if predicted != true:
        sizes = ["{1}x{0}".format(*shape) for shape in (predicted, true)]
        raise UserError(f"the predicted mask {job[0]} is {sizes[0]}, but the true one {job[1]} is {sizes[1]}")


def _entry(scores: VideoScores) -> dict[str, Any]:
    entry: dict[str, Any] = {"frames": len(scores.j), "J": scores.j, "F": scores.f}
    for measure, values in (("J", scores.j_statistics), ("F", scores.f_statistics)):
        entry |= {f"{measure}_{key}": value for key, value in values._asdict().items()}
    return entry
