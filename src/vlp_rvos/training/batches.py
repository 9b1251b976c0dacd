"""Batches for the trainer: samples by their index, so that a run can be continued anywhere.

Shapes: V videos, E expressions of one video, B expressions of the batch, T frames of a clip, (H, W) pixels.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from vlp_rvos.data.mixture import Mixture, build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.errors import UserError
from vlp_rvos.training.train_config import Stage

__all__ = ["Batch", "batches", "collate", "staged"]


@dataclass(frozen=True)
class Batch:
    """Videos with their expressions.

    Attributes:
        frames: (V, F, 3, H, W) uint8, consecutive clips.
        expressions: B of them, those of the first video first.
        video_of: (B,) int64, the video of each.
        masks: (B, F, H, W) bool.
        supervised: (B, F) bool, where the masks are known.
        count: how many clips the frames are.
    """

    frames: Tensor
    expressions: list[str]
    video_of: Tensor
    masks: Tensor
    supervised: Tensor
    count: int = 2

    def clips(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """The clips in order, on a device.

        Returns:
            Frames (V, T, 3, H, W) in [0, 1], masks (B, T, H, W), and which of these are known, (B, T); None if all are.
        """
        parts = (tensor.chunk(self.count, 1) for tensor in (self.frames, self.masks, self.supervised))
        for frames, masks, supervised in zip(*parts, strict=True):
            known = None if supervised.all() else supervised.to(device)
            yield frames.to(device).float() / 255, masks.to(device), known

    def refers(self) -> Tensor:
        """(B,) bool, False where an expression certainly refers to nothing in any of the clips."""
        seen = self.masks.flatten(2).any(-1) & self.supervised
        return seen.any(1) | ~self.supervised.all(1)


def collate(samples: Sequence[Sample], clips: int = 2) -> Batch:
    """Join samples of one size and number of clips; each may have its own number of expressions."""
    return Batch(
        frames=torch.stack([sample.frames for sample in samples]),
        expressions=[expression for sample in samples for expression in sample.expressions],
        video_of=torch.cat([torch.full((len(s.expressions),), video) for video, s in enumerate(samples)]),
        masks=torch.cat([sample.masks for sample in samples]),
        supervised=torch.cat([_supervised(sample) for sample in samples]),
        count=clips,
    )


def _supervised(sample: Sample) -> Tensor:
    return torch.ones(sample.masks.shape[:2], dtype=torch.bool) if sample.supervised is None else sample.supervised


def staged(config: MixtureConfig, stage: Stage | None) -> MixtureConfig:
    """The mixture at a stage's clip size."""
    if stage is None:
        return config
    return replace(config, height=stage.height, width=stage.width, clip_length=stage.clip_length, clips=stage.clips)


def batches(
    config: MixtureConfig, *, batch: int, position: int, rank: int = 0, world: int = 1, workers: int = 0
) -> Iterator[Batch]:
    """Endless batches of the training split from a sample index on.

    Args:
        config: of the mixture.
        batch: videos of a batch.
        position: index of the first sample; each batch takes `world * batch` of them, `batch` for each process.
        rank, world: this process and their number.
        workers: loading processes.

    Raises:
        UserError: a data set is missing; while iterating, one of its files cannot be used.
    """
    loader: DataLoader[Batch | UserError] = DataLoader(
        _Indexed(build_mixture(config, "train")),  # type: ignore[arg-type]
        batch_sampler=_Positions(position + rank * batch, batch, world * batch),
        collate_fn=partial(_collate_or_error, clips=config.clips),
        num_workers=workers,
        worker_init_fn=_start_worker,
    )
    return _raising(loader)


def _raising(loader: DataLoader[Batch | UserError]) -> Iterator[Batch]:
    for batch in loader:
        if isinstance(batch, UserError):
            raise UserError(str(batch))
        yield batch


def _collate_or_error(samples: list[Sample | UserError], clips: int) -> Batch | UserError:
    usable: list[Sample] = []
    for sample in samples:
        if isinstance(sample, UserError):
            return sample
        usable.append(sample)
    return collate(usable, clips)


class _Indexed(Dataset[Sample | UserError]):
    """A user's mistake travels as a value: raised in a worker, it would arrive with a traceback in its message."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def __getitem__(self, index: int) -> Sample | UserError:
        try:
            return self.mixture.sample(index)
        except UserError as error:
            return error


class _Positions(Sampler[list[int]]):
    def __init__(self, first: int, batch: int, stride: int) -> None:
        self.first, self.batch, self.stride = first, batch, stride

    def __iter__(self) -> Iterator[list[int]]:
        start = self.first
        while True:
            yield list(range(start, start + self.batch))
            start += self.stride


def _start_worker(_worker: int) -> None:
    # Ctrl-C reaches the whole process group, but the trainer decides when to end; its handlers are not the worker's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Loading must not take the cores from the optimizer step that it runs ahead of.
    os.nice(5)
