"""Videos in, masks out: sources, several expressions, computing ahead, and memory that stays bounded."""

from __future__ import annotations

import itertools
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from clips import cut, frames, noise, write_folder, write_video
from PIL import Image as PillowImage
from processors import needs_int8
from segmenters import WORDS, CountingRuntime, ScriptedSegmenter, same_results
from stubs import TinyBackbone, tiny_model

from vlp_rvos import FrameResult, Segmenter
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.media.frame_arrays import ArraySource
from vlp_rvos.media.mask_png import PaletteMaskWriter
from vlp_rvos.media.masks_json import MasksJsonWriter
from vlp_rvos.media.overlay_video import OverlayWriter
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.models import checkpoint
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.runtimes.runtime import ClipPrediction
from vlp_rvos.runtimes.torch_runtime import TorchRuntime


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(tiny_model())


# --- results ---------------------------------------------------------------------------------------------------------
def test_results_are_the_models() -> None:
    segmenter = Segmenter(TorchRuntime(tiny_model(), precision="fp32"))
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


def test_several_expressions_are_independent(segmenter: Segmenter) -> None:
    pictures = noise(4)
    together = list(segmenter.segment(pictures, WORDS))
    for i, word in enumerate(WORDS):
        alone = list(segmenter.segment(pictures, word))
        assert all(np.mean(a.masks[i] != b.mask) < 1e-3 for a, b in zip(together, alone, strict=True))


def test_candidates_of_frames_that_are_embedded_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are the same as clip by clip, and identities go from clip to clip."""
    model = tiny_model(TinyBackbone(named=True), candidates=4)
    assert model.candidate_path is not None
    torch.nn.init.normal_(model.candidate_path.choice.score[-1].weight)  # type: ignore[arg-type]
    pictures, segmenter = noise(7, (96, 64)), Segmenter(model)
    step, remembered = segmenter.runtime.step, []

    def recorded(frames: object, text: object, state: Any = None, *pointed: Any) -> ClipPrediction:
        remembered.append(None if state is None else [len(identities.boxes) for identities in state[1]])
        return step(frames, text, state, *pointed)  # type: ignore[arg-type]

    monkeypatch.setattr(segmenter.runtime, "step", recorded)
    plain = segmenter.start(WORDS).step(pictures)
    assert len(remembered) == 3
    assert remembered[0] is None
    assert all(counts[0] > 0 for counts in remembered[1:])
    monkeypatch.setattr(segmenter, "_embedding_workers", lambda _: 1)
    ahead = list(segmenter.segment(pictures, WORDS))
    for a, b in zip(ahead, plain, strict=True):
        assert np.mean(a.masks != b.masks) < 1e-2
        assert np.allclose(a.presences, b.presences, atol=1e-3)


def test_candidates_of_key_frames_serve_the_frames_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a calm video every other frame has candidates of its own, embedded ahead or not, and all where much moves."""
    model = tiny_model(TinyBackbone(named=True), candidates=4, propose_every=2)
    assert model.candidate_path is not None
    torch.nn.init.normal_(model.candidate_path.choice.score[-1].weight)  # type: ignore[arg-type]
    calm = [np.clip(noise(1, (96, 64))[0].astype(int) + t, 0, 255).astype(np.uint8) for t in range(5)]
    other = np.ascontiguousarray(calm[0][:, ::-1])
    wild = [other if t % 2 else calm[0] for t in range(5)]
    segmenter = Segmenter(model)
    clip_length = segmenter.config.clip_length
    propose, counted = type(model.candidate_path).propose, list[int]()

    def recorded(path: Any, frames: torch.Tensor, pyramid: Any, named: Any, wanted: Any = None) -> Any:
        if wanted is None or all(wanted):
            counted.append(len(frames[0]))
        return propose(path, frames, pyramid, named, wanted)

    monkeypatch.setattr(type(model.candidate_path), "propose", recorded)
    plain = segmenter.start(WORDS).step(calm)
    expected = sum((min(clip_length, 5 - first) + 1) // 2 for first in range(0, 5, clip_length))
    assert sum(counted) == expected < 5
    counted.clear()
    monkeypatch.setattr(segmenter, "_embedding_workers", lambda _: 1)
    ahead = list(segmenter.segment(calm, WORDS))
    assert sum(counted) == expected
    for a, b in zip(ahead, plain, strict=True):
        assert np.mean(a.masks != b.masks) < 1e-2
    counted.clear()
    segmenter.start(WORDS).step(wild)
    assert sum(counted) == 5


@pytest.mark.parametrize(("length", "expected"), [(1, [7]), (2, [4, 4]), (3, [4, 4, 4])])
def test_a_picture_has_candidates_of_its_own_number(
    monkeypatch: pytest.MonkeyPatch, length: int, expected: list[int]
) -> None:
    """With clips of two frames, the third frame of a video is alone in its clip, and no picture."""
    model = tiny_model(
        TinyBackbone(named=True), candidates=4, candidates_in_picture=7, propose_every=1, clip_length=2, cube_size=2
    )
    propose, wanted = type(model.candidate_path).propose, list[int]()

    def recorded(path: Any, frames: torch.Tensor, pyramid: Any, named: Any, numbers: Any = None) -> Any:
        wanted.extend(numbers or [path.count] * frames.shape[1])
        return propose(path, frames, pyramid, named, numbers)

    monkeypatch.setattr(type(model.candidate_path), "propose", recorded)
    for workers in (0, 1):
        wanted.clear()
        monkeypatch.setattr(Segmenter, "_embedding_workers", lambda *_, workers=workers: workers)
        list(Segmenter(model).segment(noise(length, (96, 64)), WORDS))
        assert wanted == expected


def test_text_is_encoded_once(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = VLPRVOS.encode_text
    monkeypatch.setattr(VLPRVOS, "encode_text", lambda self, text: calls.append(1) or encode(self, text))
    list(segmenter.segment(frames(7), WORDS))
    assert len(calls) == 1


def test_a_size_that_is_asked_for_is_kept(tmp_path: Path) -> None:
    model = tiny_model(small_size=96, small_area=1.0)
    assert Segmenter(model).config.small_size == 96
    assert Segmenter(model, size=64).config.small_size == 0
    # Files are decoded once, at the larger size.
    video = write_video(tmp_path / "video.mp4", frames(9, (64, 48)))
    scaled = list(Segmenter(model).segment(video, WORDS, images=False))
    assert {result.image.shape for result in scaled} == {(64, 96, 3)}
    assert {result.masks.shape for result in scaled} == {(2, 48, 64)}


# --- sources ---------------------------------------------------------------------------------------------------------
def test_files_folders_and_sources(segmenter: Segmenter, tmp_path: Path) -> None:
    pictures = noise(6)
    folder = write_folder(tmp_path / "folder", pictures, pattern="frame{}")
    from_folder = list(segmenter.segment(str(folder), "the dog", every=2))
    assert [result.name for result in from_folder] == ["frame0", "frame2", "frame4"]
    assert same_results(from_folder, list(segmenter.segment(open_video(folder, every=2), "the dog")))
    assert same_results(from_folder, list(segmenter.segment(pictures, "the dog", every=2)))
    video = write_video(tmp_path / "a.mp4", pictures)
    assert [x.time for x in segmenter.segment(video, "the dog", start=0.2, end=0.5)] == pytest.approx([0.2, 0.3, 0.4])


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


def test_a_broken_video_gives_its_results_first(segmenter: Segmenter, tmp_path: Path) -> None:
    video = cut(write_video(tmp_path / "a.mkv", noise(20)), 0.5)
    results = []
    with pytest.warns(VLPRVOSWarning, match="stopped at frame"):
        results += segmenter.segment(video, "the dog")
    assert 5 < len(results) < 15


def test_without_whole_images(segmenter: Segmenter, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", frames(4, (160, 120)))
    whole = list(segmenter.segment(video, WORDS))
    small = list(segmenter.segment(video, WORDS, images=False))
    for a, b in zip(whole, small, strict=True):
        assert (a.image.shape, b.image.shape) == ((120, 160, 3), (48, 64, 3))
        assert a.masks.shape == b.masks.shape == (2, 120, 160)
        assert b.presences == pytest.approx(a.presences, abs=0.02)
        assert (a.index, a.time, a.name) == (b.index, b.time, b.name)


# --- computing ahead -------------------------------------------------------------------------------------------------
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


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_how_far_ahead_is_bounded(ahead: int) -> None:
    runtime = CountingRuntime()
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
        results.extend(Segmenter(CountingRuntime(fails_at=2)).segment(frames(20), "a dog", ahead=1))
    assert len(results) == 6
    assert threading.active_count() == threads

    def broken() -> Iterator[np.ndarray]:
        yield from frames(4)
        raise OSError("the camera broke")

    with pytest.raises(OSError, match="the camera broke"):
        list(Segmenter(CountingRuntime()).segment(broken(), "a dog", ahead=1))
    assert threading.active_count() == threads


def test_closing_early_leaves_no_thread(segmenter: Segmenter, tmp_path: Path) -> None:
    threads = threading.active_count()
    results = segmenter.segment(write_video(tmp_path / "a.mp4", frames(40)), "a dog", ahead=1)
    assert threading.active_count() == threads
    next(results)
    assert threading.active_count() > threads
    results.close()
    assert threading.active_count() == threads


@pytest.mark.parametrize(
    ("threads", "expressions", "cost", "workers"),
    [(1, 1, 3, 0), (2, 1, 3, 1), (2, 3, 3, 1), (2, 4, 3, 0), (4, 1, 3, 3), (4, 4, 3, 1), (8, 1, 3, 6), (8, 1, 0, 0)],
)
def test_number_of_workers(
    threads: int, expressions: int, cost: float, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Segmenter(tiny_model())
    assert segmenter.runtime.embedding_cost == 0
    segmenter.runtime.embedding_cost = cost
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert segmenter._embedding_workers(expressions) == workers


# --- loading and mistakes --------------------------------------------------------------------------------------------
def test_from_pretrained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(checkpoint, "load_model", lambda *args: calls.append(args) or tiny_model())
    segmenter = Segmenter.from_pretrained("mini", device="cpu", threshold=0.4, overrides={"history": False})
    assert calls == [("mini", {"history": False}, torch.device("cpu"))]
    assert (segmenter.name, segmenter.options.threshold, segmenter.options.presence_threshold) == ("mini", 0.4, None)
    assert isinstance(segmenter.runtime, TorchRuntime)
    assert not segmenter.runtime.model.training
    file = tmp_path / "mine.safetensors"
    file.touch()
    assert Segmenter.from_pretrained(file, device="cpu").name == "mine"


def test_wrong_expressions(segmenter: Segmenter) -> None:
    for words in ("", "  ", [], ["a dog", ""]):
        with pytest.raises(UserError, match="expression"):
            segmenter.segment(frames(1), words)


def test_a_selection_is_for_sources_that_are_not_open_yet(segmenter: Segmenter) -> None:
    with pytest.raises(ValueError, match="open_video"):
        segmenter.segment(ArraySource(frames(1)), "a dog", every=2)


# --- memory ----------------------------------------------------------------------------------------------------------
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
    segmenter = ScriptedSegmenter(torch.rand(2, 32, 64) - 0.5, [0.5, 0.5])
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


# --- saving ----------------------------------------------------------------------------------------------------------
def test_a_saved_model_gives_the_same_masks(tmp_path: Path) -> None:
    pictures = noise(4, (48, 80))
    segmenter = Segmenter.from_pretrained("mini", runtime="torch", size=128, presence_threshold=0.0, memory_frames=2)
    for _ in range(2):
        segmenter.save_pretrained(tmp_path / "new/v1.5")
    assert sorted(path.name for path in (tmp_path / "new/v1.5").iterdir()) == ["README.md", "model.safetensors"]
    saved = Segmenter.from_pretrained(tmp_path / "new/v1.5", runtime="torch")
    assert saved.name == "v1.5"
    assert saved.config == segmenter.config
    for a, b in zip(segmenter.segment(pictures, WORDS), saved.segment(pictures, WORDS), strict=True):
        assert np.array_equal(a.masks, b.masks)
        assert np.array_equal(a.scores, b.scores)
    again = tmp_path / "again"
    saved.save_pretrained(again)
    assert Segmenter.from_pretrained(again, runtime="torch").config == segmenter.config


def test_overrides_are_saved_and_options_of_a_run_are_not(tmp_path: Path) -> None:
    segmenter = Segmenter.from_pretrained("mini", runtime="torch", threshold=0.3, overrides={"history": False})
    segmenter.save_pretrained(tmp_path)
    saved = Segmenter.from_pretrained(tmp_path, runtime="torch")
    assert saved.config.history is False
    assert saved.options.threshold == 0.5


@needs_int8
def test_a_quantized_model_is_saved_as_it_was_trained(tmp_path: Path) -> None:
    Segmenter.from_pretrained("mini", runtime="torch", precision="int8").save_pretrained(tmp_path)
    saved, whole = (checkpoint.load_model(name).trained_state_dict() for name in (tmp_path, "mini"))
    assert all(torch.equal(saved[name], whole[name]) for name in whole)


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("mine")
    segmenter = Segmenter.from_pretrained("mini", runtime="torch")
    with pytest.raises(UserError, match="vlp-rvos did not write it"):
        segmenter.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").read_text() == "mine"


@needs_int8
def test_a_quantized_model_without_its_file_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be saved, since only its export is there"):
        Segmenter(TorchRuntime(tiny_model(), precision="int8")).save_pretrained(tmp_path / "new")
