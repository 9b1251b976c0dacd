"""The settings of the alignment pretraining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vlp_rvos.utils.ranges import ANY_COUNT, MAX_SEED, Range, check_ranges

__all__ = ["AlignConfig"]


@dataclass(frozen=True)
class AlignConfig:
    """Settings of the alignment pretraining.

    Attributes:
        stills: folder of annotated photographs in the COCO format.
        videos: folder of annotated videos in the layout of Ref-YouTube-VOS; "" for none.
        hold_out: names of videos that are kept for validation.
        crops: number of random crops of every photograph.
        video_stride: distance between the video frames that are used.
        minutes: minutes of training, after the feature maps are cached. The learning rate falls to 0 over this time.
        batch: number of crops of a step.
        lr: peak learning rate.
        distil: weight of the distillation loss.
        seed: seed of everything random.
    """

    stills: str = "../shared/data/stills"
    videos: str = "../shared/data/davis16/train"
    hold_out: tuple[str, ...] = ("rhino", "dance-jump", "scooter-gray")
    crops: Annotated[int, Range(1, 1000)] = 2
    video_stride: Annotated[int, ANY_COUNT] = 4
    minutes: Annotated[float, Range(0, 10**7, above_low=True)] = 16.0
    batch: Annotated[int, Range(1, 4096)] = 24
    lr: Annotated[float, Range(0, 100, above_low=True)] = 1e-3
    distil: Annotated[float, Range(0, 10**6)] = 0.5
    seed: Annotated[int, Range(0, MAX_SEED - 1)] = 0

    def __post_init__(self) -> None:
        check_ranges(self)
