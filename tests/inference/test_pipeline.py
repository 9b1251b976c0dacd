"""Embedding frames ahead in worker threads changes nothing but the time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clips import noise, write_video
from segmenters import WORDS, CountingRuntime, same_results
from stubs import tiny_model
from torch import Tensor

from vlp_rvos import FrameResult, Segmenter
from vlp_rvos.inference.pipeline import CLIPS_EMBEDDED_AHEAD, pipelined_predictions
from vlp_rvos.media.video_source import VideoFrame
from vlp_rvos.models.encoder import EmbeddedFrames
from vlp_rvos.runtimes.runtime import ClipPrediction
from vlp_rvos.runtimes.torch_runtime import TorchRuntime


@pytest.fixture(autouse=True)
def _four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class EmbeddingRuntime(CountingRuntime):
    """Embeds frames ahead; records which thread embedded each, and how many threads each step computed with."""

    def __init__(self, fails_at: int = -1) -> None:
        super().__init__(fails_at)
        self.embedding_cost = 3.0
        self.embedded: list[tuple[str, tuple[int, ...]]] = []
        self.threads: list[int] = []

    def embed(self, frames: Tensor, proposed: Sequence[bool] | None = None) -> EmbeddedFrames:
        self.embedded.append((threading.current_thread().name, tuple(frames.shape)))
        return super().embed(frames, proposed)

    def step(self, frames: Any, text: object, state: object = None, *pointed: Any) -> ClipPrediction:
        assert not isinstance(frames, Tensor)
        self.threads.append(torch.get_num_threads())
        return super().step(frames, text, state, *pointed)


def test_embedding_ahead_changes_nothing(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", noise(20))
    segmenter, runtime = Segmenter(tiny_model()), EmbeddingRuntime()
    for images in (True, False):
        plain = list(segmenter.segment(video, WORDS, images=images))
        runtime.embedded.clear()
        runtime.threads.clear()
        pipelined = list(Segmenter(runtime).segment(video, WORDS, images=images, ahead=2))
        assert same_results(plain, pipelined)
        assert [result.index for result in pipelined] == list(range(20))
        assert len(runtime.embedded) == 20
        assert any(name.startswith("vlp-rvos-worker") for name, _ in runtime.embedded)
        # Two workers embed; after the last frame all threads are free.
        assert runtime.threads == [2] * 6 + [4]
    assert torch.get_num_threads() == 4


def test_frames_are_embedded_again_when_the_input_size_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = noise(24)

    def results(runtime: TorchRuntime, ahead: int) -> list[FrameResult]:
        sizes = iter([64, 96, 96, 64, 96, 64, 64, 64])
        monkeypatch.setattr("vlp_rvos.inference.stream.Stream._next_input_size", lambda *_: next(sizes))
        return list(Segmenter(runtime).segment(pictures, WORDS, ahead=ahead))

    runtime = EmbeddingRuntime()
    assert same_results(results(TorchRuntime(tiny_model()), 0), results(runtime, 2))
    widths = [shape[-1] for _, shape in runtime.embedded]
    assert widths.count(96) >= 9
    assert widths.count(64) >= 15
    assert runtime.clips == 8


def test_clips_are_read_only_a_few_ahead() -> None:
    stream = Segmenter(EmbeddingRuntime()).start("a dog")
    taken: list[int] = []

    def clips() -> Iterator[list[VideoFrame]]:
        for number, image in enumerate(noise(9)):
            taken.append(number)
            yield [VideoFrame(number, number / 24, image, f"{number:05d}")]

    for number, prediction in enumerate(pipelined_predictions(clips(), stream, None, 2)):
        assert prediction.clip[0].index == number
        assert len(taken) <= number + 1 + CLIPS_EMBEDDED_AHEAD
    assert taken == list(range(9))


def test_a_failure_comes_in_its_turn_and_leaves_no_thread() -> None:
    threads = threading.active_count()
    found: list[FrameResult] = []
    with pytest.raises(RuntimeError, match="the model broke"):
        found.extend(Segmenter(EmbeddingRuntime(fails_at=2)).segment(noise(20), "a dog", ahead=1))
    assert len(found) == 6
    assert threading.active_count() == threads

    def broken() -> Iterator[np.ndarray]:
        yield from noise(9)
        raise OSError("the camera broke")

    found.clear()
    with pytest.raises(OSError, match="the camera broke"):
        found.extend(Segmenter(EmbeddingRuntime()).segment(broken(), "a dog", ahead=1))
    assert len(found) == 9
    found.clear()
    with pytest.raises(ValueError, match="of one size"):
        found.extend(Segmenter(EmbeddingRuntime()).segment([*noise(5), *noise(1, (48, 48))], "a dog", ahead=1))
    assert len(found) == 3
    assert threading.active_count() == threads


def test_closing_early_leaves_no_thread() -> None:
    threads = threading.active_count()
    with closing(Segmenter(EmbeddingRuntime()).segment(noise(40), "a dog", ahead=1)) as results:
        next(results)
        assert threading.active_count() > threads
    assert threading.active_count() == threads
