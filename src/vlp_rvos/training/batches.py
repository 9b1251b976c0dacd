"""Batches for the trainer. Samples are loaded by their index, so that a run can be resumed at any step.

Shapes: V videos, B expressions of all videos, T frames of a clip, F frames of all clips, (H, W) pixels.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from vlp_rvos.data.mixture import Mixture, build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.training.train_config import Stage
from vlp_rvos.utils.socket_folder import prepare_socket_folder

__all__ = ["Batch", "IndexedItems", "LoaderDiedError", "collate", "load_batches", "load_items", "mixture_at_stage"]


Item = TypeVar("Item")
Made = TypeVar("Made", covariant=True)


class IndexedItems(Protocol[Made]):
    """Makes what a step trains on, from the index of the step alone."""

    def item(self, index: int) -> Made:
        """The item of an index.

        Raises:
            UserError: a file of the data cannot be used.
        """
        ...


class LoaderDiedError(VLPRVOSError):
    """A process that loads data died."""


@dataclass(frozen=True)
class Batch:
    """Videos with their expressions and masks.

    Attributes:
        frames: (V, F, 3, H, W) uint8 RGB frames of consecutive clips.
        expressions: the B expressions, those about the first video first.
        video_of: (B,) int64 index of the video that each expression is about.
        masks: (B, F, H, W) bool mask of each expression's target.
        supervised: (B, F) bool, True on frames whose mask is known.
        clip_count: number of clips that the F frames make up, all of one length.
    """

    frames: Tensor
    expressions: list[str]
    video_of: Tensor
    masks: Tensor
    supervised: Tensor
    clip_count: int = 2

    def clips(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """The clips in order, on a device.

        Yields:
            Frames (V, T, 3, H, W) in [0, 1], masks (B, T, H, W), and (B, T) which masks are known; None if all are.
        """
        chunks = (tensor.chunk(self.clip_count, 1) for tensor in (self.frames, self.masks, self.supervised))
        for frames, masks, supervised in zip(*chunks, strict=True):
            known = None if supervised.all() else supervised.to(device)
            yield frames.to(device).float() / 255, masks.to(device), known

    def supervised_counts(self) -> Tensor:
        """(`clip_count`,) int64 number of frames of each clip whose mask is known, over all expressions."""
        return torch.stack([clip.sum() for clip in self.supervised.chunk(self.clip_count, 1)])

    def has_target(self) -> Tensor:
        """(B,) bool, False for an expression that certainly refers to nothing in any of the clips."""
        seen = self.masks.flatten(2).any(-1) & self.supervised
        return seen.any(1) | ~self.supervised.all(1)


def collate(samples: Sequence[Sample], clips: int = 2) -> Batch:
    """Join samples of one size, each of `clips` clips; their numbers of expressions may differ."""
    return Batch(
        frames=torch.stack([sample.frames for sample in samples]),
        expressions=[expression for sample in samples for expression in sample.expressions],
        video_of=torch.cat([torch.full((len(s.expressions),), video) for video, s in enumerate(samples)]),
        masks=torch.cat([sample.masks for sample in samples]),
        supervised=torch.cat([_supervised(sample) for sample in samples]),
        clip_count=clips,
    )


def _supervised(sample: Sample) -> Tensor:
    return torch.ones(sample.masks.shape[:2], dtype=torch.bool) if sample.supervised is None else sample.supervised


def mixture_at_stage(config: MixtureConfig, stage: Stage | None) -> MixtureConfig:
    """The configuration of the data with the clip size of a stage; unchanged for None."""
    if stage is None:
        return config
    return replace(config, height=stage.height, width=stage.width, clip_length=stage.clip_length, clips=stage.clips)


def load_batches(
    config: MixtureConfig, *, batch: int, position: int, rank: int = 0, world: int = 1, workers: int = 0
) -> Iterator[Batch]:
    """Endless batches of the training split.

    Args:
        config: configuration of the data.
        batch: number of videos in a batch.
        position: index of the first sample. A step takes `world * batch` samples, `batch` for each process.
        rank: index of this process.
        world: number of processes.
        workers: number of loading processes.

    Raises:
        UserError: a data set is missing; while iterating, one of its files cannot be used.
        LoaderDiedError: while iterating, a loading process died.
    """
    loader: DataLoader[Any] = DataLoader(
        _SampleDataset(build_mixture(config, "train")),
        batch_sampler=_ConsecutiveIndices(position + rank * batch, batch, world * batch),
        collate_fn=partial(_collate_or_error, clips=config.clips),
        num_workers=workers,
        worker_init_fn=_start_worker,
        # Otherwise the first step after a start would draw other random numbers than in an uninterrupted run.
        generator=torch.Generator(),
    )
    return _raise_errors(loader)


def load_items(dataset: IndexedItems[Item], first: int, workers: int = 0) -> Iterator[Item]:
    """Endless items of a data set, in the order of their indices.

    Args:
        dataset: makes an item of its index.
        first: index of the first item.
        workers: number of loading processes.

    Raises:
        UserError: while iterating, a file of the data cannot be used.
        LoaderDiedError: while iterating, a loading process died.
    """
    loader: DataLoader[Any] = DataLoader(
        _ItemDataset(dataset),
        batch_size=None,
        sampler=_Count(first),
        collate_fn=_unchanged,
        num_workers=workers,
        worker_init_fn=_start_worker,
        generator=torch.Generator(),
    )
    return _raise_errors(loader)


def _raise_errors(loader: DataLoader[Any]) -> Iterator[Any]:
    batches = _start(loader)
    while True:
        try:
            batch = next(batches)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise LoaderDiedError(
                "a process that loads data died, perhaps for lack of memory; try fewer workers"
            ) from error
        if isinstance(batch, UserError):
            raise UserError(str(batch))
        yield batch


def _start(loader: DataLoader[Any]) -> Iterator[Any]:
    """Start the loading processes.

    With the first of them, PyTorch sets a handler that raises an error wherever the program is when one of them dies,
    for example in the middle of an optimizer step. Without it, the error comes where the next batch is asked for.
    """
    if loader.num_workers:
        prepare_socket_folder()
    if threading.current_thread() is not threading.main_thread():
        return iter(loader)
    handler = signal.getsignal(signal.SIGCHLD)
    try:
        return iter(loader)
    finally:
        signal.signal(signal.SIGCHLD, handler)


def _collate_or_error(samples: list[Sample | UserError], clips: int) -> Batch | UserError:
    usable: list[Sample] = []
    for sample in samples:
        if isinstance(sample, UserError):
            return sample
        usable.append(sample)
    return collate(usable, clips)


class _SampleDataset(Dataset[Sample | UserError]):
    """A mixture as a data set of PyTorch.

    A `UserError` is returned instead of raised: raised in a worker process, it would arrive with a traceback in its
    text.
    """

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def __getitem__(self, index: int) -> Sample | UserError:
        try:
            return self.mixture.sample(index)
        except UserError as error:
            return error


class _ItemDataset(Dataset[Any]):
    """A data set of PyTorch that returns a `UserError`, for the reason that `_SampleDataset` gives."""

    def __init__(self, items: IndexedItems[Any]) -> None:
        self.items = items

    def __getitem__(self, index: int) -> Any:
        try:
            return self.items.item(index)
        except UserError as error:
            return error


class _Count(Sampler[int]):
    """Whole numbers from a first one on."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        return count(self.first)


def _unchanged(item: Any) -> Any:
    return item


class _ConsecutiveIndices(Sampler[list[int]]):
    """Batches of consecutive indices, the first of each `stride` after the first of the one before."""

    def __init__(self, first: int, batch: int, stride: int) -> None:
        self.first, self.batch, self.stride = first, batch, stride

    def __iter__(self) -> Iterator[list[int]]:
        start = self.first
        while True:
            yield list(range(start, start + self.batch))
            start += self.stride


def _start_worker(_worker: int) -> None:
    # Ctrl-C and SIGHUP reach the whole process group, and so may SIGTERM, but the trainer alone decides when to stop.
    # Its handlers must not stay in the worker, which inherits them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # A second SIGTERM ends the worker: PyTorch sends one to a worker that does not end by itself.
    signal.signal(signal.SIGTERM, lambda number, _: signal.signal(number, signal.SIG_DFL))
    # Loading runs ahead of the optimizer step and must not take the cores from it.
    os.nice(5)
