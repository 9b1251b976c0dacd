"""Scores of folders of predicted masks: of every video, of every object, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from vlp_rvos.evaluation.davis import MaskScore, Statistics, statistics
from vlp_rvos.evaluation.target_accuracy import target_accuracy

__all__ = ["FolderScores", "VideoScores"]


@dataclass(frozen=True)
class VideoScores:
    """J and F of every scored frame of a video, or of one of its objects.

    Attributes:
        j: J of each frame, in [0, 1]; the mean over the objects if they are scored apart.
        f: F of each frame, in [0, 1]; the mean over the objects if they are scored apart.
        has_target: whether a true mask of the video has a pixel.
        has_prediction: whether a predicted mask of the video has a pixel.
        objects: id of an object -> scores of that object; empty if the objects are not scored apart.
    """

    j: list[float]
    f: list[float]
    has_target: bool = True
    has_prediction: bool = True
    objects: Mapping[int, VideoScores] = field(default_factory=dict)

    @classmethod
    def of_frames(cls, scores: Sequence[MaskScore]) -> VideoScores:
        """Join the scores of single frames."""
        return cls(
            [score.j for score in scores],
            [score.f for score in scores],
            has_target=any(score.true_area for score in scores),
            has_prediction=any(score.predicted_area for score in scores),
        )

    @classmethod
    def of_objects(cls, objects: Mapping[int, VideoScores]) -> VideoScores:
        """Join the scores of objects."""
        parts = objects.values()
        return cls(
            [fmean(values) for values in zip(*(part.j for part in parts), strict=True)],
            [fmean(values) for values in zip(*(part.f for part in parts), strict=True)],
            has_target=any(part.has_target for part in parts),
            has_prediction=any(part.has_prediction for part in parts),
            objects=objects,
        )

    @property
    def parts(self) -> list[VideoScores]:
        """The units of a mean over videos: the objects if they are scored apart, else the video itself."""
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
    """Scores of all videos of a folder.

    Attributes:
        videos: name of a video -> scores.
    """

    videos: Mapping[str, VideoScores]

    @property
    def j_mean(self) -> float:
        """Mean over the videos, or over all objects, of mean J."""
        return fmean(part.j_statistics.mean for part in self._parts)

    @property
    def f_mean(self) -> float:
        """Mean over the videos, or over all objects, of mean F."""
        return fmean(part.f_statistics.mean for part in self._parts)

    @property
    def j_and_f(self) -> float:
        """J&F, the mean of `j_mean` and `f_mean`."""
        return (self.j_mean + self.f_mean) / 2

    def to_json(self) -> dict[str, Any]:
        """The content of a score file, as `vlp-rvos evaluate masks --json` writes it."""
        videos = {
            name: {str(i): _entry(part) for i, part in video.objects.items()} if video.objects else _entry(video)
            for name, video in self.videos.items()
        }
        content = {"videos": videos, "J_mean": self.j_mean, "F_mean": self.f_mean, "J&F": self.j_and_f}
        n_acc, t_acc = target_accuracy((part.has_target, part.has_prediction) for part in self._parts)
        return content if n_acc is None else content | {"N_acc": n_acc, "T_acc": t_acc}

    @property
    def _parts(self) -> list[VideoScores]:
        return [part for video in self.videos.values() for part in video.parts]


def _entry(scores: VideoScores) -> dict[str, Any]:
    entry: dict[str, Any] = {"frames": len(scores.j), "J": scores.j, "F": scores.f}
    for measure, values in (("J", scores.j_statistics), ("F", scores.f_statistics)):
        entry |= {f"{measure}_{key}": value for key, value in values._asdict().items()}
    return entry
