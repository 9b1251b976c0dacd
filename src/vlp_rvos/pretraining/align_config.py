"""The settings of the alignment pretraining."""

from __future__ import annotations

from dataclasses import dataclass

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
    crops: int = 2
    video_stride: int = 4
    minutes: float = 16.0
    batch: int = 24
    lr: float = 1e-3
    distil: float = 0.5
    seed: int = 0
