from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
from collections import deque
from dataclasses import replace

import pytest
import torch
from training_runs import CONFIG, Squares

from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.errors import UserError
from vlp_rvos.training.batches import LoaderDiedError, load_batches, load_items, mixture_at_stage
from vlp_rvos.training.train_config import Stage


def test_workers_give_the_same_batches() -> None:
    for workers in (0, 1):
        loaded = load_batches(CONFIG.data, batch=2, position=3, rank=1, world=2, workers=workers)
        batch = next(loaded)
        assert torch.equal(batch.frames[0], Squares(CONFIG.data).sample(5).frames)
        assert batch.expressions == ["the white square", "the red circle", "the white square"]
        assert batch.video_of.tolist() == [0, 0, 1]
        assert batch.masks.shape == (3, 4, 32, 48)
        assert batch.has_target().tolist() == batch.masks.flatten(1).any(1).tolist()
        nothing_known = replace(batch, supervised=torch.zeros_like(batch.supervised))
        assert nothing_known.has_target().all(), "a target in unsupervised frames is possible"


@pytest.mark.parametrize("workers", [0, 1])
def test_data_that_cannot_be_used_is_one_line(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    def fail(self: Squares, index: int) -> Sample:
        raise UserError("dog/00003.png: not an image; replace it")

    monkeypatch.setattr(Squares, "sample", fail)
    with pytest.raises(UserError, match=r"^dog/00003.png: not an image; replace it$"):
        next(load_batches(CONFIG.data, batch=2, position=0, workers=workers))


def test_clips_are_cut_in_order_with_frames_from_0_to_1() -> None:
    batch = next(load_batches(CONFIG.data, batch=2, position=0))
    first, second = batch.clips(torch.device("cpu"))
    assert torch.equal(torch.cat([first[0], second[0]], 1) * 255, batch.frames.float())
    assert torch.equal(torch.cat([first[1], second[1]], 1), batch.masks)
    assert first[2] is second[2] is None
    known = torch.ones_like(batch.supervised)
    known[1, 3] = False
    first, second = replace(batch, supervised=known).clips(torch.device("cpu"))
    assert first[2] is None
    assert second[2] is not None
    assert second[2].tolist() == known[:, 2:].tolist()


def test_a_stage_changes_the_clip_size_alone() -> None:
    config = mixture_at_stage(CONFIG.data, Stage(0.5, 64, 96, 3, clips=1))
    assert config == replace(CONFIG.data, height=64, width=96, clip_length=3, clips=1)
    assert mixture_at_stage(CONFIG.data, None) is CONFIG.data


def test_a_loading_process_that_dies_is_an_error_where_the_next_batch_is_asked_for() -> None:
    handler = signal.getsignal(signal.SIGCHLD)
    loaded = load_batches(CONFIG.data, batch=2, position=0, workers=1)
    next(loaded)
    assert signal.getsignal(signal.SIGCHLD) == handler
    (worker,) = multiprocessing.active_children()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGTERM)
    time.sleep(0.1)
    assert worker.is_alive(), "the first SIGTERM is the trainer's business"
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    with pytest.raises(LoaderDiedError, match="a process that loads data died"):
        deque(itertools.islice(loaded, 10))


class Numbers:
    """Items that are twice their index."""

    def item(self, index: int) -> int:
        if index == 7:
            raise UserError("7.png: not an image; replace it")
        return 2 * index


@pytest.mark.parametrize("workers", [0, 1])
def test_items_come_in_the_order_of_their_indices(workers: int) -> None:
    items = load_items(Numbers(), 3, workers)
    assert [next(items) for _ in range(4)] == [6, 8, 10, 12]
    with pytest.raises(UserError, match=r"^7.png: not an image; replace it$"):
        next(items)


def test_loading_draws_no_random_numbers_of_the_steps() -> None:
    for start in (lambda: load_items(Numbers(), 0), lambda: load_batches(CONFIG.data, batch=2, position=0)):
        torch.manual_seed(5)
        expected = torch.rand(1)
        torch.manual_seed(5)
        next(iter(start()))
        assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_processes_share_the_samples_without_repeats(world: int, mixtures: dict[str, list[Squares]]) -> None:
    for rank in range(world):
        loaded = load_batches(CONFIG.data, batch=2, position=0, rank=rank, world=world)
        for _ in range(24 // (2 * world)):
            next(loaded)
    requested = [mixture.requested for mixture in mixtures["train"]]
    assert sorted(itertools.chain(*requested)) == list(range(24))
    assert len({len(part) for part in requested}) == 1


def test_the_number_of_known_masks_of_each_clip() -> None:
    batch = next(load_batches(CONFIG.data, batch=2, position=0))
    assert batch.supervised_counts().tolist() == [6, 6]
    known = batch.supervised.clone()
    known[1, 3] = False
    assert replace(batch, supervised=known).supervised_counts().tolist() == [6, 5]
