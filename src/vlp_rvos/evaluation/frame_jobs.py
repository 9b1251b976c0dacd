"""The frames of a data set as jobs for the processes of an evaluation: with predicted masks, or with masks in a folder.

Shapes: E expressions, (H, W) pixels.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringVideo
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.evaluation.packed_masks import PackedMasks
from vlp_rvos.evaluation.prediction import Predictor

__all__ = ["FrameJob", "predicted_jobs", "stored_jobs"]


@dataclass(frozen=True, slots=True)
class FrameJob:
    """One frame of one video, with what was predicted for it.

    Attributes:
        video: index of the video in the data set.
        frame: name of the frame.
        is_scored: whether the protocol scores this frame.
        masks: predicted masks of all expressions of the video, (E, H, W); None if they lie in a folder, or are
            not needed.
        scores: (E,) confidence of each mask, in [0, 1]; empty if the masks lie in a folder.
        presences: (E,) predicted presence of each target, in [0, 1]; empty if the masks lie in a folder.
        seconds: time that the prediction took.
    """

    video: int
    frame: str
    is_scored: bool
    masks: PackedMasks | None = None
    scores: tuple[float, ...] = ()
    presences: tuple[float, ...] = ()
    seconds: float = 0.0


def stored_jobs(dataset: ReferringDataset, scored: Mapping[int, Collection[str]]) -> Iterator[FrameJob]:
    """Jobs for masks that lie in a folder.

    Args:
        dataset: the data set.
        scored: index of a video -> names of its frames that are scored, for each video to do.
    """
    for i, frames in scored.items():
        for frame in dataset.videos[i].frames:
            yield FrameJob(i, frame, frame in frames)


def predicted_jobs(
    dataset: ReferringDataset,
    predict: Predictor,
    scored: Mapping[int, Collection[str]],
    *,
    keep_all_masks: bool,
) -> Iterator[FrameJob]:
    """Jobs with the masks that a predictor makes; it runs while the jobs are taken.

    Args:
        dataset: the data set.
        predict: the predictor. It gets all expressions of a video at once.
        scored: index of a video -> names of its frames that are scored, for each video to do.
        keep_all_masks: keep the masks of frames that are not scored, too.

    Raises:
        UserError: a frame cannot be read, or has another size than the frames before it.
        VLPRVOSError: the predictor gave too few or too many frames, or too few or too many masks.
    """
    for i, scored_frames in scored.items():
        video = dataset.videos[i]
        texts = [expression.text for expression in video.expressions]
        predictions = iter(predict(_load_frames(dataset, video), texts))
        for done, frame in enumerate(video.frames):
            started = time.perf_counter()
            prediction = next(predictions, None)
            seconds = time.perf_counter() - started
            if prediction is None:
                raise VLPRVOSError(f"only {done} of {len(video.frames)} frames of {video.name} were predicted")
            masks = np.asarray(prediction.masks, dtype=np.bool_)
            if masks.ndim != 3 or len(masks) != len(texts):
                raise VLPRVOSError(f"{video.name} has {len(texts)} expressions, but masks came as {masks.shape}")
            is_scored = frame in scored_frames
            yield FrameJob(
                i,
                frame,
                is_scored,
                PackedMasks.pack(masks) if is_scored or keep_all_masks else None,
                tuple(float(score) for score in prediction.scores),
                tuple(float(presence) for presence in prediction.presences),
                seconds,
            )
        if next(predictions, None) is not None:
            raise VLPRVOSError(f"more than the {len(video.frames)} frames of {video.name} were predicted")


def _load_frames(dataset: ReferringDataset, video: ReferringVideo) -> Iterator[NDArray[np.uint8]]:
    shape = None
    for name in video.frames:
        frame = dataset.load_frame(video.name, name)
        shape = shape or frame.shape
        if frame.shape != shape:
            raise UserError(
                f"frame {name} of video {video.name} is {frame.shape[1]}x{frame.shape[0]}, "
                f"not {shape[1]}x{shape[0]} like the frames before it"
            )
        yield frame
