from __future__ import annotations

import itertools
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from clips import cut, frames, noise, write_folder, write_video
from PIL import Image as PillowImage
from stubs import tiny_model
from torch import Tensor

from vlp_rvos import FrameResult, Segmenter
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.inference.upsampling import dependent_box, resize_image, upsample_box
from vlp_rvos.media.frame_arrays import ArraySource
from vlp_rvos.media.mask_png import PaletteMaskWriter
from vlp_rvos.media.masks_json import MasksJsonWriter
from vlp_rvos.media.overlay_video import OverlayWriter
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.models import checkpoint
from vlp_rvos.models.encoder import EmbeddedFrames
from vlp_rvos.models.vlp_rvos import VLPRVOS, ClipOutput
from vlp_rvos.runtimes.runtime import ClipPrediction
from vlp_rvos.runtimes.torch_runtime import TorchRuntime

WORDS = ["the dog that jumps", "a red car"]


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(tiny_model())


class Scripted(Segmenter):
    """A segmenter whose model's answers are given: logits of (E, h, w), the same for every frame."""

    def __init__(self, logits: Tensor, presence: list[float], **options: float) -> None:
        super().__init__(tiny_model(), **options)  # type: ignore[arg-type]
        self.calls: list[tuple[torch.Size, Tensor | None]] = []

        def forward(clip: Tensor, text: object, history: Tensor | None, video_of: Tensor) -> ClipOutput:
            self.calls.append((clip.shape, history))
            assert video_of.tolist() == [0] * len(logits)
            length = clip.shape[1]
            presences = torch.logit(torch.tensor(presence))[:, None].expand(-1, length)
            number = torch.tensor(float(len(self.calls)))
            return ClipOutput(
                logits[:, None].expand(-1, length, -1, -1), number.expand(len(logits), length, 32), None, presences
            )

        self.runtime.model.forward = forward  # type: ignore[attr-defined]


def same(first: list[FrameResult], second: list[FrameResult]) -> bool:
    return len(first) == len(second) and all(
        np.array_equal(a.masks, b.masks)
        and np.allclose(a.scores, b.scores, atol=1e-6)
        and np.allclose(a.presences, b.presences, atol=1e-6)
        for a, b in zip(first, second, strict=True)
    )


# --- results -------------------------------------------------------------------------------------------------------
def test_results_are_the_models(segmenter: Segmenter) -> None:
    pictures = noise(5, (96, 50))
    results = list(segmenter.segment(pictures, WORDS))

    model = tiny_model().eval()
    text = model.backbone.tokenize(WORDS)
    # 96x50 with a long side of 64 is 64x33.3; the patches are 16.
    small = [PillowImage.fromarray(picture).resize((64, 32), PillowImage.Resampling.BILINEAR) for picture in pictures]
    clip = torch.from_numpy(np.stack([np.asarray(x) for x in small]))[None].permute(0, 1, 4, 2, 3).float() / 255
    with torch.no_grad():
        first = model(clip[:, :3], text)
        second = model(clip[:, 3:], text, first.history)
    logits = torch.cat([first.mask_logits, second.mask_logits], 1)
    presences = torch.cat([first.presence_logits, second.presence_logits], 1).sigmoid()
    logits = F.interpolate(logits, (50, 96), mode="bilinear", align_corners=False)
    assert len(results) == 5
    for t, result in enumerate(results):
        assert (result.index, result.time, result.name) == (t, t / 24, f"{t:05d}")
        assert result.image is pictures[t]
        assert result.expressions == tuple(WORDS)
        assert result.masks.dtype == bool
        assert result.masks.shape == (2, 50, 96)
        # Ties at 0 may fall on either side.
        assert np.mean(result.masks != (logits[:, t] > 0).numpy()) < 1e-3
        assert result.presences == pytest.approx(presences[:, t].numpy(), abs=1e-4)


@pytest.mark.parametrize("size", [(32, 64), (20, 24), (70, 40), (50, 60), (50, 33)])
def test_resizing_rounds_to_whole_bytes_and_takes_any_array(size: tuple[int, int]) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (50, 120, 3), dtype=np.uint8)
    image = wide[:, ::2]
    expected = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    expected = F.interpolate(expected, size, mode="bilinear", align_corners=False, antialias=True)[0]
    found = resize_image(image, size)
    assert found.dtype == torch.uint8
    # Rounded once along each side.
    assert (found - expected).abs().max() <= 1.001
    locked = image.copy()
    locked.setflags(write=False)
    assert torch.equal(resize_image(locked, size), found)


def test_the_first_expression_has_short_names() -> None:
    masks = np.stack([np.eye(4, dtype=bool), np.ones((4, 4), bool)])
    values = np.array([0.5, 0.25], np.float32)
    result = FrameResult(0, 0.0, frames(1)[0], masks, values, values / 2, ("a", "b"), "00000")
    assert np.array_equal(result.mask, np.eye(4, dtype=bool))
    assert (result.score, result.presence) == (0.5, 0.25)


def test_score_is_the_probability_inside_times_presence() -> None:
    logits = torch.full((2, 48, 64), -3.0)
    logits[0, :24] = 2.0
    result = next(iter(Scripted(logits, [0.8, 0.9]).segment(frames(1), WORDS)))
    assert result.masks[0].sum() == pytest.approx(24 * 64, abs=64)
    inside = F.interpolate(logits[None], (48, 64), mode="bilinear")[0, 0][torch.from_numpy(result.masks[0])]
    assert result.scores[0] == pytest.approx(0.8 * inside.sigmoid().mean().item(), abs=1e-5)
    assert result.scores[1] == 0
    assert not result.masks[1].any()


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, 48), (0.7, 32), (0.9, 16), (0.99, 0)])
def test_threshold_is_a_probability(threshold: float, expected: int) -> None:
    logits = torch.tensor([-1.0, 0.5, 1.0, 3.0]).repeat_interleave(16).expand(1, 48, 64)
    result = next(iter(Scripted(logits, [1.0], threshold=threshold).segment(frames(1), "x")))
    assert result.mask[20].sum() == expected


def test_presence_gate() -> None:
    logits = torch.full((2, 48, 64), 5.0)
    for threshold, expected in ((0.0, [True, True]), (0.5, [False, True]), (0.95, [False, False])):
        segmenter = Scripted(logits, [0.2, 0.9], presence_threshold=threshold)
        result = next(iter(segmenter.segment(frames(1), WORDS)))
        assert result.masks.any(axis=(1, 2)).tolist() == expected
        assert (result.scores > 0).tolist() == expected


def test_a_model_without_presence() -> None:
    result = next(iter(Segmenter(tiny_model(presence=False)).segment(frames(1), WORDS)))
    assert result.presences.tolist() == [1.0, 1.0]


# --- clips ---------------------------------------------------------------------------------------------------------
def test_history_goes_from_clip_to_clip() -> None:
    segmenter = Scripted(torch.zeros(2, 48, 64), [0.5, 0.5])
    assert len(list(segmenter.segment(frames(8), WORDS))) == 8
    assert [shape for shape, _ in segmenter.calls] == [(1, 3, 3, 48, 64), (1, 3, 3, 48, 64), (1, 2, 3, 48, 64)]
    assert segmenter.calls[0][1] is None
    assert [history[0, 0, 0].item() for _, history in segmenter.calls[1:] if history is not None] == [1, 2]


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        ((640, 360), {}, (32, 64)),
        ((360, 640), {}, (64, 32)),
        ((640, 20), {}, (16, 64)),
        ((640, 360), {"size": 160}, (96, 160)),
    ],
)
def test_network_size(size: tuple[int, int], options: dict[str, int], expected: tuple[int, int]) -> None:
    segmenter = Scripted(torch.zeros(1, 8, 8), [0.5], **options)
    result = next(iter(segmenter.segment(frames(1, size), "x")))
    assert segmenter.calls[0][0][-2:] == expected
    assert result.mask.shape == size[::-1]


@pytest.mark.parametrize(
    ("columns", "presence", "sides"),
    [
        ([3, 3, 3], 0.9, [64, 96, 96]),
        ([30, 3, 30], 0.9, [64, 64, 96]),
        ([3, 7, 9], 0.9, [64, 96, 96]),
        ([3, 9, 3], 0.9, [64, 96, 64]),
        ([7, 3, 3], 0.9, [64, 64, 96]),
        ([3, 3, 3], 0.2, [64, 64, 64]),
        ([0, 0, 0], 0.9, [64, 64, 64]),
    ],
)
def test_small_things_are_looked_at_closely(columns: list[int], presence: float, sides: list[int]) -> None:
    """Of 64 columns, 6.4 are the limit, and 8 where it was small before; what is absent does not count."""
    segmenter = Scripted(torch.full((2, 48, 64), 5.0), [0.9, presence])
    segmenter.config = segmenter.config.replace(small_size=96, small_area=0.1)
    forward = segmenter.runtime.model.forward  # type: ignore[attr-defined]

    def answer(*inputs: object) -> ClipOutput:
        output: ClipOutput = forward(*inputs)
        logits = output.mask_logits.clone()
        logits[1, :, :, columns[len(segmenter.calls) - 1] :] = -5.0
        return replace(output, mask_logits=logits)

    segmenter.runtime.model.forward = answer  # type: ignore[attr-defined]
    stream = segmenter.start(WORDS)
    results = stream.step(frames(9, (64, 48)))
    assert [shape[-1] for shape, _ in segmenter.calls] == sides
    assert all(result.masks.shape == (2, 48, 64) for result in results)
    stream.reset()
    segmenter.calls.clear()
    stream.step(frames(3, (64, 48)))
    assert [shape[-1] for shape, _ in segmenter.calls] == [64]


def test_a_size_that_is_asked_for_is_kept(tmp_path: Path) -> None:
    model = tiny_model(small_size=96, small_area=1.0)
    assert Segmenter(model).config.small_size == 96
    assert Segmenter(model, size=64).config.small_size == 0
    # Files are decoded once, at the larger size.
    video = write_video(tmp_path / "video.mp4", frames(9, (64, 48)))
    scaled = list(Segmenter(model).segment(video, WORDS, images=False))
    assert {result.image.shape for result in scaled} == {(64, 96, 3)}
    assert {result.masks.shape for result in scaled} == {(2, 48, 64)}


def test_reading_is_lazy(segmenter: Segmenter) -> None:
    taken = []

    def generate() -> Iterator[np.ndarray]:
        for i, picture in enumerate(frames(20)):
            taken.append(i)
            yield picture

    results = segmenter.segment(generate(), "the dog")
    assert not taken
    next(results)
    assert len(taken) == 3


def test_text_is_encoded_once(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = VLPRVOS.encode_text
    monkeypatch.setattr(VLPRVOS, "encode_text", lambda self, text: calls.append(1) or encode(self, text))
    list(segmenter.segment(frames(7), WORDS))
    assert len(calls) == 1


def test_several_expressions_are_independent(segmenter: Segmenter) -> None:
    pictures = noise(4)
    together = list(segmenter.segment(pictures, WORDS))
    for i, word in enumerate(WORDS):
        alone = list(segmenter.segment(pictures, word))
        assert all(np.mean(a.masks[i] != b.mask) < 1e-3 for a, b in zip(together, alone, strict=True))


# --- sources -------------------------------------------------------------------------------------------------------
def test_files_folders_and_sources(segmenter: Segmenter, tmp_path: Path) -> None:
    pictures = noise(6)
    folder = write_folder(tmp_path / "folder", pictures, pattern="frame{}")
    from_folder = list(segmenter.segment(str(folder), "the dog", every=2))
    assert [result.name for result in from_folder] == ["frame0", "frame2", "frame4"]
    assert same(from_folder, list(segmenter.segment(open_video(folder, every=2), "the dog")))
    assert same(from_folder, list(segmenter.segment(pictures, "the dog", every=2)))
    video = write_video(tmp_path / "a.mp4", pictures)
    assert [x.time for x in segmenter.segment(video, "the dog", start=0.2, end=0.5)] == pytest.approx([0.2, 0.3, 0.4])


def test_a_broken_video_gives_its_results_first(segmenter: Segmenter, tmp_path: Path) -> None:
    video = cut(write_video(tmp_path / "a.mkv", noise(20)), 0.5)
    results = []
    with pytest.warns(VLPRVOSWarning, match="stopped at frame"):
        results += segmenter.segment(video, "the dog")
    assert 5 < len(results) < 15


def test_a_stream_is_a_segmentation_in_pieces(segmenter: Segmenter) -> None:
    pictures = noise(7)
    whole = list(segmenter.segment(pictures, WORDS))
    stream = segmenter.start(WORDS)
    pieces = stream.step(pictures[:3]) + stream.step(pictures[3:])
    assert same(whole, pieces)
    assert [x.index for x in pieces] == list(range(7))
    assert [x.time for x in pieces] == [i / 24 for i in range(7)]
    assert not same(whole[:3], stream.step(pictures[:3]))
    stream.reset()
    again = stream.step(pictures[:3])
    assert same(whole[:3], again)
    assert [x.index for x in again] == [0, 1, 2]
    assert stream.step([]) == []


def test_a_stream_frame_by_frame(segmenter: Segmenter) -> None:
    stream = segmenter.start("the dog", fps=10)
    results = [stream.step([picture])[0] for picture in noise(4)]
    assert [x.time for x in results] == pytest.approx([0, 0.1, 0.2, 0.3])


# --- masks at the video's size -------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [(48, 64), (135, 240), (37, 91), (20, 30), (5, 7)])
@pytest.mark.parametrize("level", [0.0, 1.5, 3.0, 9.0])
def test_only_the_part_with_the_mask_is_upsampled(size: tuple[int, int], level: float) -> None:
    logits = torch.randn(24, 40)
    whole = F.interpolate(logits[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    box = dependent_box((logits > level).numpy(), size)
    outside = torch.ones(size, dtype=torch.bool)
    if box is not None:
        outside[box] = False
        assert np.abs(upsample_box(logits.numpy(), size, box) - whole[box].numpy()).max() < 1e-6
    assert not (whole[outside] > level).any()


# --- computing ahead -----------------------------------------------------------------------------------------------
def test_computing_ahead_changes_nothing(segmenter: Segmenter, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", noise(8))
    plain = list(segmenter.segment(video, WORDS))
    for ahead in (1, 3):
        results = list(segmenter.segment(video, WORDS, ahead=ahead))
        assert [x.index for x in results] == list(range(8))
        assert all(np.array_equal(a.masks, b.masks) for a, b in zip(plain, results, strict=True))
        assert all(np.array_equal(a.scores, b.scores) for a, b in zip(plain, results, strict=True))
        assert all(np.array_equal(a.image, b.image) for a, b in zip(plain, results, strict=True))


def test_computing_ahead_begins_without_threads_of_the_caller(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = []
    monkeypatch.setattr("vlp_rvos.inference.segmenter.release_threads", lambda: released.append(threading.get_ident()))
    list(segmenter.segment(noise(4), WORDS))
    assert not released
    list(segmenter.segment(noise(4), WORDS, ahead=1))
    assert released == [threading.get_ident()]


def test_without_whole_images(segmenter: Segmenter, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", frames(4, (160, 120)))
    whole = list(segmenter.segment(video, WORDS))
    small = list(segmenter.segment(video, WORDS, images=False))
    for a, b in zip(whole, small, strict=True):
        assert (a.image.shape, b.image.shape) == ((120, 160, 3), (48, 64, 3))
        assert a.masks.shape == b.masks.shape == (2, 120, 160)
        assert b.presences == pytest.approx(a.presences, abs=0.02)
        assert (a.index, a.time, a.name) == (b.index, b.time, b.name)


class Counting(TorchRuntime):
    """Counts the clips that it has worked on; breaks at clip `breaks`."""

    def __init__(self, breaks: int = -1) -> None:
        super().__init__(tiny_model())
        self.clips, self.breaks = 0, breaks

    def step(self, frames: Tensor, text: object, state: object = None) -> ClipPrediction:
        if self.clips == self.breaks:
            raise RuntimeError("the model broke")
        self.clips += 1
        return super().step(frames, text, state)


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_how_far_ahead_is_bounded(ahead: int) -> None:
    runtime = Counting()
    taken: list[int] = []

    def generate() -> Iterator[np.ndarray]:
        for i, picture in enumerate(frames(60)):
            taken.append(i)
            yield picture

    with closing(Segmenter(runtime).segment(generate(), "a dog", ahead=ahead)) as results:
        for number, _ in enumerate(results, start=1):
            begun = -(-number // 3)
            # As many as may wait, and one in the making.
            most = begun + ahead + (1 if ahead else 0)
            assert runtime.clips <= most
            assert len(taken) <= 3 * most
    assert runtime.clips == 20


def test_a_failure_comes_after_the_results_before_it() -> None:
    threads = threading.active_count()
    results: list[FrameResult] = []
    with pytest.raises(RuntimeError, match="the model broke"):
        results.extend(Segmenter(Counting(breaks=2)).segment(frames(20), "a dog", ahead=1))
    assert len(results) == 6
    assert threading.active_count() == threads

    def broken() -> Iterator[np.ndarray]:
        yield from frames(4)
        raise OSError("the camera broke")

    with pytest.raises(OSError, match="the camera broke"):
        list(Segmenter(Counting()).segment(broken(), "a dog", ahead=1))
    assert threading.active_count() == threads


def test_closing_early_leaves_no_thread(segmenter: Segmenter, tmp_path: Path) -> None:
    threads = threading.active_count()
    results = segmenter.segment(write_video(tmp_path / "a.mp4", frames(40)), "a dog", ahead=1)
    assert threading.active_count() == threads
    next(results)
    assert threading.active_count() > threads
    results.close()
    assert threading.active_count() == threads


# --- looking ahead with helpers ------------------------------------------------------------------------------------
@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Helped(Counting):
    """Frames can be looked at ahead; notes by which threads they were, and how many each step computed with."""

    def __init__(self, breaks: int = -1) -> None:
        super().__init__(breaks)
        self.embedding_cost = 3.0
        self.looks: list[tuple[str, tuple[int, ...]]] = []
        self.threads: list[int] = []

    def embed(self, frames: Tensor) -> EmbeddedFrames:
        self.looks.append((threading.current_thread().name, tuple(frames.shape)))
        return super().embed(frames)

    def step(self, frames: Any, text: object, state: object = None) -> ClipPrediction:
        assert not isinstance(frames, Tensor)
        self.threads.append(torch.get_num_threads())
        return super().step(frames, text, state)


@pytest.mark.usefixtures("four_threads")
def test_looking_ahead_changes_nothing(segmenter: Segmenter, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", noise(20))
    runtime = Helped()
    for images in (True, False):
        plain = list(segmenter.segment(video, WORDS, images=images))
        runtime.looks.clear()
        runtime.threads.clear()
        helped = list(Segmenter(runtime).segment(video, WORDS, images=images, ahead=2))
        assert same(plain, helped)
        assert [result.index for result in helped] == list(range(20))
        assert len(runtime.looks) == 20
        assert any(name.startswith("vlp-rvos-worker") for name, _ in runtime.looks)
        # Two look at frames; after the last of them all threads are free.
        assert runtime.threads == [2] * 6 + [4]
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_looking_ahead_at_a_size_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = noise(24)

    def results(runtime: TorchRuntime, ahead: int) -> list[FrameResult]:
        sides = iter([64, 96, 96, 64, 96, 64, 64, 64])
        monkeypatch.setattr("vlp_rvos.inference.stream.Stream._next_input_size", lambda *_: next(sides))
        return list(Segmenter(runtime).segment(pictures, WORDS, ahead=ahead))

    runtime = Helped()
    assert same(results(TorchRuntime(tiny_model()), 0), results(runtime, 2))
    widths = [shape[-1] for _, shape in runtime.looks]
    assert widths.count(96) >= 9
    assert widths.count(64) >= 15
    assert runtime.clips == 8


@pytest.mark.usefixtures("four_threads")
def test_looking_ahead_ends_early_without_a_thread_left() -> None:
    threads = threading.active_count()
    found: list[FrameResult] = []
    with pytest.raises(RuntimeError, match="the model broke"):
        found.extend(Segmenter(Helped(breaks=2)).segment(noise(20), "a dog", ahead=1))
    assert len(found) == 6
    assert threading.active_count() == threads

    def broken() -> Iterator[np.ndarray]:
        yield from noise(9)
        raise OSError("the camera broke")

    found.clear()
    with pytest.raises(OSError, match="the camera broke"):
        found.extend(Segmenter(Helped()).segment(broken(), "a dog", ahead=1))
    assert len(found) == 9
    with closing(Segmenter(Helped()).segment(noise(40), "a dog", ahead=1)) as results:
        next(results)
        assert threading.active_count() > threads
    assert threading.active_count() == threads
    found.clear()
    with pytest.raises(ValueError, match="of one size"):
        found.extend(Segmenter(Helped()).segment([*noise(5), *noise(1, (48, 48))], "a dog", ahead=1))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("threads", "expressions", "cost", "helpers"),
    [(1, 1, 3, 0), (2, 1, 3, 1), (2, 3, 3, 1), (2, 4, 3, 0), (4, 1, 3, 3), (4, 4, 3, 1), (8, 1, 3, 6), (8, 1, 0, 0)],
)
def test_number_of_helpers(
    threads: int, expressions: int, cost: float, helpers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Segmenter(tiny_model())
    assert segmenter.runtime.embedding_cost == 0
    segmenter.runtime.embedding_cost = cost
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert segmenter._embedding_workers(expressions) == helpers


# --- mistakes ------------------------------------------------------------------------------------------------------
def test_wrong_expressions(segmenter: Segmenter) -> None:
    for words in ("", "  ", [], ["a dog", ""]):
        with pytest.raises(UserError, match="expression"):
            segmenter.segment(frames(1), words)


def test_wrong_frames(segmenter: Segmenter) -> None:
    for picture in (np.zeros((48, 64, 3)), np.zeros((48, 64), np.uint8), np.zeros((48, 64, 4), np.uint8)):
        with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
            segmenter.start("a dog").step([picture])
    with pytest.raises(ValueError, match="one size"):
        segmenter.start("a dog").step([*frames(1), *frames(1, (32, 32))])
    with pytest.raises(ValueError, match="open_video"):
        segmenter.segment(ArraySource(frames(1)), "a dog", every=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": 1.0}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"presence_threshold": 1.5}, "presence threshold"),
        ({"size": 0}, "size"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"device": "cuda:x"}, "unknown device"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"runtime": "tensorrt"}, "unknown runtime 'tensorrt'"),
    ],
)
def test_wrong_options_are_found_before_the_model_is_loaded(
    options: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "load_model", lambda *_: pytest.fail("loaded"))
    with pytest.raises(UserError, match=words):
        Segmenter.from_pretrained("mini", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_gpu_that_is_not_there(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"no (CUDA|Apple) GPU is available here"):
        Segmenter.from_pretrained("mini", device=device)


def test_a_gpu_number_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="only 1 CUDA"):
        Segmenter.from_pretrained("mini", device="cuda:1")


def test_unknown_model() -> None:
    with pytest.raises(UserError, match="no-such-model"):
        Segmenter.from_pretrained("no-such-model", device="cpu")


def test_from_pretrained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(checkpoint, "load_model", lambda *args: calls.append(args) or tiny_model())
    segmenter = Segmenter.from_pretrained("mini", device="cpu", threshold=0.4, overrides={"history": False})
    assert calls == [("mini", {"history": False}, torch.device("cpu"))]
    assert (segmenter.name, segmenter.options.threshold, segmenter.options.presence_threshold) == ("mini", 0.4, 0.0)
    assert isinstance(segmenter.runtime, TorchRuntime)
    assert not segmenter.runtime.model.training
    file = tmp_path / "mine.safetensors"
    file.touch()
    assert Segmenter.from_pretrained(file, device="cpu").name == "mine"


def test_half_precision_runs(segmenter: Segmenter) -> None:
    half = Segmenter(TorchRuntime(tiny_model(), precision="bf16"))
    pictures = noise(4)
    exact = list(segmenter.segment(pictures, "a dog"))
    for a, b in zip(half.segment(pictures, "a dog"), exact, strict=True):
        assert a.presence == pytest.approx(b.presence, abs=0.05)


# --- memory --------------------------------------------------------------------------------------------------------
def test_only_one_clip_is_alive(segmenter: Segmenter) -> None:
    class Tracked(np.ndarray):
        pass

    alive: weakref.WeakValueDictionary[int, np.ndarray] = weakref.WeakValueDictionary()

    def generate() -> Iterator[np.ndarray]:
        for i in range(30):
            picture = np.full((48, 64, 3), i, np.uint8).view(Tracked)
            alive[i] = picture
            yield picture

    assert max(len(alive) for _ in segmenter.segment(generate(), "the dog")) <= 2 * segmenter.config.clip_length


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    size = (480, 270)
    segmenter = Scripted(torch.rand(2, 32, 64) - 0.5, [0.5, 0.5])
    pictures = noise(4, size)

    def peak(number: int) -> int:
        info = open_video(write_folder(tmp_path / f"in{number}", pictures[:1])).info
        with (
            MasksJsonWriter(tmp_path / "masks.json", info, WORDS, "tiny", "0") as masks_json,
            PaletteMaskWriter(tmp_path / "masks") as masks,
            OverlayWriter(tmp_path / "overlay.mp4", WORDS, 24) as overlay,
        ):
            endless = (picture.copy() for picture in itertools.cycle(pictures))
            tracemalloc.start()
            for result in segmenter.segment(itertools.islice(endless, number), WORDS):
                for writer in (masks_json, masks, overlay):
                    writer.write(result)
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return most

    peak(3)
    short, long = peak(12), peak(120)
    assert long < 1.1 * short
