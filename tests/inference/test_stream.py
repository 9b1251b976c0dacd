"""A running segmentation carries its state from call to call, and makes masks of logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from clips import frames, noise
from segmenters import WORDS, CountingRuntime, ScriptedSegmenter, same_results
from stubs import tiny_model

from vlp_rvos import Segmenter
from vlp_rvos.errors import UserError
from vlp_rvos.inference.stream import Stream
from vlp_rvos.media.video_source import VideoFrame
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import ClipOutput
from vlp_rvos.runtimes.names import Precision
from vlp_rvos.runtimes.torch_runtime import TorchRuntime


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(tiny_model())


# --- calls ---------------------------------------------------------------------------------------------------------
def test_a_stream_is_a_segmentation_in_pieces(segmenter: Segmenter) -> None:
    pictures = noise(7)
    whole = list(segmenter.segment(pictures, WORDS))
    stream = segmenter.start(WORDS)
    pieces = stream.step(pictures[:3]) + stream.step(pictures[3:])
    assert same_results(whole, pieces)
    assert [x.index for x in pieces] == list(range(7))
    assert [x.time for x in pieces] == [i / 24 for i in range(7)]
    assert not same_results(whole[:3], stream.step(pictures[:3]))
    stream.reset()
    again = stream.step(pictures[:3])
    assert same_results(whole[:3], again)
    assert [x.index for x in again] == [0, 1, 2]
    assert stream.step([]) == []


def test_a_stream_frame_by_frame(segmenter: Segmenter) -> None:
    stream = segmenter.start("the dog", fps=10)
    results = [stream.step([picture])[0] for picture in noise(4)]
    assert [x.time for x in results] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_history_goes_from_clip_to_clip() -> None:
    segmenter = ScriptedSegmenter(torch.zeros(2, 48, 64), [0.5, 0.5])
    assert len(segmenter.start(WORDS).step(frames(8))) == 8
    assert [shape for shape, _ in segmenter.calls] == [(1, 3, 3, 48, 64), (1, 3, 3, 48, 64), (1, 2, 3, 48, 64)]
    assert segmenter.calls[0][1] is None
    assert [history[0, 0, 0].item() for _, history in segmenter.calls[1:] if history is not None] == [1, 2]


def test_wrong_expressions(segmenter: Segmenter) -> None:
    for words in ("", "  ", "\u200d", [], ["a dog", ""]):
        with pytest.raises(UserError, match="expression"):
            segmenter.start(words)


def test_wrong_frames(segmenter: Segmenter) -> None:
    for picture in (
        np.zeros((48, 64, 3)),
        np.zeros((0, 64, 3), np.uint8),
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
    ):
        with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
            segmenter.start("a dog").step([picture])
    with pytest.raises(ValueError, match="one size"):
        segmenter.start("a dog").step([*frames(1), *frames(1, (32, 32))])


def test_a_wrong_frame_leaves_the_stream_as_it_was() -> None:
    runtime = CountingRuntime()
    stream = Segmenter(runtime).start("a dog")
    for last in (frames(1, (32, 32)), [np.zeros((48, 64, 3))]):
        with pytest.raises(ValueError, match="one size"):
            stream.step([*frames(3), *last])
    assert runtime.clips == 0
    assert [result.index for result in stream.step(frames(2))] == [0, 1]


def test_the_size_of_frames_stays_until_a_reset() -> None:
    runtime = CountingRuntime()
    stream = Segmenter(runtime).start("a dog")
    stream.step(frames(2))
    for wrong in (frames(1, (32, 32)), frames(1, (48, 64)), [*frames(1), *frames(1, (64, 64))]):
        with pytest.raises(
            ValueError, match=r"frames must be of one size: this one is .*, the first was 64x48"
        ) as caught:
            stream.step(wrong)
        assert "\n" not in str(caught.value)
    assert runtime.clips == 1
    assert [result.index for result in stream.step(frames(1))] == [2]
    stream.reset()
    assert [result.mask.shape for result in stream.step(frames(1, (32, 32)))] == [(32, 32)]


def test_images_of_another_size_in_a_later_clip() -> None:
    found = []
    with pytest.raises(ValueError, match="of one size"):
        found.extend(Segmenter(tiny_model()).segment([*frames(3), *frames(3, (32, 32))], "a dog"))
    assert len(found) == 3


# --- the size of the input -----------------------------------------------------------------------------------------
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
    segmenter = ScriptedSegmenter(torch.zeros(1, 8, 8), [0.5], **options)
    (result,) = segmenter.start("x").step(frames(1, size))
    assert segmenter.calls[0][0][-2:] == expected
    assert result.mask.shape == size[::-1]


@pytest.mark.parametrize(
    ("columns", "presence", "sizes"),
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
def test_after_a_small_object_the_input_is_larger(columns: list[int], presence: float, sizes: list[int]) -> None:
    """Of 64 columns, 6.4 are the limit, and 8 after a larger input; an absent target does not count."""
    segmenter = ScriptedSegmenter(torch.full((2, 48, 64), 5.0), [0.9, presence])
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
    assert [shape[-1] for shape, _ in segmenter.calls] == sizes
    assert all(result.masks.shape == (2, 48, 64) for result in results)
    stream.reset()
    segmenter.calls.clear()
    stream.step(frames(3, (64, 48)))
    assert [shape[-1] for shape, _ in segmenter.calls] == [64]


# --- masks and scores ----------------------------------------------------------------------------------------------
def test_score_is_the_probability_inside_times_presence() -> None:
    logits = torch.full((2, 48, 64), -3.0)
    logits[0, :24] = 2.0
    (result,) = ScriptedSegmenter(logits, [0.8, 0.9]).start(WORDS).step(frames(1))
    assert result.masks[0].sum() == pytest.approx(24 * 64, abs=64)
    inside = F.interpolate(logits[None], (48, 64), mode="bilinear")[0, 0][torch.from_numpy(result.masks[0])]
    assert result.scores[0] == pytest.approx(0.8 * inside.sigmoid().mean().item(), abs=1e-5)
    assert result.scores[1] == 0
    assert not result.masks[1].any()


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, 48), (0.7, 32), (0.9, 16), (0.99, 0)])
def test_threshold_is_a_probability(threshold: float, expected: int) -> None:
    logits = torch.tensor([-1.0, 0.5, 1.0, 3.0]).repeat_interleave(16).expand(1, 48, 64)
    (result,) = ScriptedSegmenter(logits, [1.0], threshold=threshold).start("x").step(frames(1))
    assert result.mask[20].sum() == expected


@pytest.mark.parametrize(("shares", "both"), [(None, [False, False]), ([1.0, 0.2], [False, True])])
def test_the_smaller_of_two_things_that_are_meant_is_no_small_part(
    shares: list[float] | None, both: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = torch.full((2, 48, 64), -5.0)
    logits[:, 4:36, 4:28] = logits[:, 28:36, 48:64] = 5.0
    segmenter = ScriptedSegmenter(logits, [0.9, 0.9], min_part=0.25)
    step = segmenter.runtime.step
    share = None if shares is None else torch.tensor(shares)
    monkeypatch.setattr(segmenter.runtime, "step", lambda *a: replace(step(*a), smallest_share=share))
    for result in segmenter.start(WORDS).step(frames(2)):
        assert result.masks[:, 20, 10].all()
        assert result.masks[:, 32, 56].tolist() == both


def test_masks_of_absent_targets_are_empty_below_the_presence_threshold() -> None:
    logits = torch.full((2, 48, 64), 5.0)
    for threshold, expected in ((0.0, [True, True]), (0.5, [False, True]), (0.95, [False, False])):
        segmenter = ScriptedSegmenter(logits, [0.2, 0.9], presence_threshold=threshold)
        (result,) = segmenter.start(WORDS).step(frames(1))
        assert result.masks.any(axis=(1, 2)).tolist() == expected
        assert (result.scores > 0).tolist() == expected


def test_the_models_own_presence_threshold_holds_unless_another_is_set() -> None:
    model = tiny_model(presence_threshold=1.0)
    for options, expected in (({}, False), ({"presence_threshold": 0.0}, True)):
        segmenter = Segmenter(model, threshold=0.01, **options)
        (result,) = segmenter.start("x").step(frames(1))
        assert bool(result.masks.any()) is expected
    assert ModelConfig().presence_threshold == 0
    with_candidates = Segmenter.from_pretrained("mini").config.presence_threshold
    dense_alone = Segmenter.from_pretrained("mini", overrides={"candidates": 0}).config.presence_threshold
    assert 0 < dense_alone < 0.1 < with_candidates < 0.6


def test_a_model_without_presence() -> None:
    (result,) = Segmenter(tiny_model(presence=False)).start(WORDS).step(frames(1))
    assert result.presences.tolist() == [1.0, 1.0]


def test_frames_that_were_embedded_before(segmenter: Segmenter) -> None:
    pictures = noise(3)
    expected = segmenter.start(WORDS).step(pictures)
    stream = segmenter.start(WORDS)
    clip = [VideoFrame(i, i / 24, picture, f"{i:05d}") for i, picture in enumerate(pictures)]
    size = stream.network_size(clip)
    embedded = [stream.embed(picture, size) for picture in pictures]
    assert same_results(expected, list(stream.results(stream.predict(clip, embedded=embedded))))


def test_what_was_found_is_believed_at_half_the_threshold() -> None:
    stream = Segmenter(tiny_model(), presence_threshold=0.4).start(["x", "y"])
    presences = [
        [[0.5, 0.1], [0.3, 0.3]],
        [[0.25, 0.2], [0.4, 0.1]],
        [[0.1, 0.1], [0.1, 0.1]],
        [[0.3, 0.3], [0.3, 0.3]],
    ]
    found = [stream._presence_thresholds(np.array(values, dtype=np.float32)).tolist() for values in presences]
    expected = [[0.4, 0.4], [0.2, 0.4], [0.2, 0.2], [0.4, 0.4]]
    assert found == [pytest.approx(row) for row in expected]
    stream.reset()
    assert stream._presence_thresholds(np.zeros((2, 1), dtype=np.float32)).tolist() == pytest.approx([0.4, 0.4])


# --- state -----------------------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore::vlp_rvos.errors.VLPRVOSWarning")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("memory_frames", [0, 2])
def test_another_stream_goes_on_from_a_state(memory_frames: int, precision: Precision) -> None:
    def start() -> Stream:
        model = tiny_model(memory_frames=memory_frames)
        runtime = TorchRuntime(model, precision=precision)
        return Segmenter(runtime, presence_threshold=0.0, threshold=0.001).start(WORDS)

    pictures = noise(9)
    whole = start().step(pictures)
    first, second = start(), start()
    results = first.step(pictures[:6])
    state = first.state()
    # What the first stream does later changes nothing.
    first.step(pictures[:3])
    second.step(pictures[3:6])
    second.restore(state)
    results += second.step(pictures[6:])
    for one, other in zip(whole, results, strict=True):
        assert one.index == other.index
        assert np.array_equal(one.masks, other.masks)
        assert np.array_equal(one.scores, other.scores)
        assert np.array_equal(one.presences, other.presences)
    assert any(result.masks.any() for result in results[6:])


def test_a_state_of_another_stream_is_refused(segmenter: Segmenter) -> None:
    stream = segmenter.start(WORDS)
    stream.step(noise(3))
    state = stream.state()
    remembering = Segmenter(tiny_model(memory_frames=2)).start(WORDS)
    with pytest.raises(ValueError, match="not a state of this stream"):
        remembering.restore(state)
    with pytest.raises(ValueError, match="not a state of this stream: of 2 expressions, not 1"):
        segmenter.start("the dog").restore(state)
    for name in state:
        with pytest.raises(ValueError, match="not a state of this stream"):
            segmenter.start(WORDS).restore(
                {"runtime.x": state["found"]} | {k: v for k, v in state.items() if k != name}
            )
