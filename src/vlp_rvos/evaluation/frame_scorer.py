"""What every scorer of frames does: take the masks of a frame, write them to a folder, compare them with the true ones.

An evaluation sends its scorer to each of its processes once, and then small jobs. Shapes: (H, W) pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringVideo
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.frame_jobs import FrameJob
from vlp_rvos.evaluation.frame_scores import FrameScores
from vlp_rvos.evaluation.protocols import Protocol

__all__ = ["FrameScorer"]


@dataclass(frozen=True)
class FrameScorer(ABC):
    """Scores the frames of a data set, and writes their masks.

    Attributes:
        dataset: the data set, with the true masks.
        protocol: how the data set is scored.
        predictions: folder of the predicted masks, for jobs without masks.
        output: folder to write the masks to; None to write none.
    """

    dataset: ReferringDataset
    protocol: Protocol
    predictions: Path | None = None
    output: Path | None = None

    def __call__(self, job: FrameJob) -> FrameScores:
        """Score one frame.

        Raises:
            UserError: an image is missing, broken or of the wrong size, or a mask cannot be written.
        """
        video = self.dataset.videos[job.video]
        if not job.is_scored and self.output is None:
            return FrameScores([None] * len(video.expressions))
        return self._score(job, video)

    @abstractmethod
    def load_mask(self, job: FrameJob, expression: int) -> NDArray[np.bool_]:
        """Predicted mask (H, W) of one expression, given by its position in the video."""

    @abstractmethod
    def mask_files(self, video: ReferringVideo, frame: str) -> list[Path]:
        """Paths of the masks of a frame, relative to the folder of predictions."""

    @abstractmethod
    def _score(self, job: FrameJob, video: ReferringVideo) -> FrameScores: ...

    def _load_true_objects(self, job: FrameJob, video: ReferringVideo) -> dict[int, NDArray[np.bool_]] | None:
        return self.dataset.load_objects(video.name, job.frame) if job.is_scored else None

    def _check_size(self, predicted: tuple[int, ...], true: tuple[int, ...], job: FrameJob) -> None:
        if predicted != true:
            raise UserError(
                f"frame {job.frame} of video {self.dataset.videos[job.video].name}: the predicted mask is "
                f"{predicted[1]}x{predicted[0]}, but the annotation {true[1]}x{true[0]}; "
                "both must have the size of the frame"
            )
