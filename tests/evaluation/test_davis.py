"""J and F: the benchmark's own numbers, the definition written out pixel by pixel, and what must always hold."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vlp_rvos.evaluation.davis import Mask, boundary_map, boundary_measure, region_similarity, score_frame, statistics
from vlp_rvos.evaluation.folder_scores import VideoScores
from vlp_rvos.media.image_files import read_mask

VIDEOS = ("blackswan", "bmx-trees", "camel", "car-shadow", "cows", "dog", "horsejump-high", "soapbox")


@pytest.mark.parametrize("video", VIDEOS)
def test_equals_the_official_evaluation(shared: Path, video: str) -> None:
    golden = shared / "golden" / "davis"
    expected = json.loads((golden / "expected.json").read_text())[video]
    files = sorted((shared / "data" / "davis16" / "val" / "Annotations" / video).glob("*.png"))[1:-1]
    pairs = [score_frame(read_mask(golden / "predictions" / video / file.name), read_mask(file)) for file in files]
    scores = VideoScores([j for j, _ in pairs], [f for _, f in pairs])
    assert len(pairs) == expected["frames"]
    np.testing.assert_allclose(scores.j, expected["J"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(scores.f, expected["F"], rtol=0, atol=1e-9)
    for measure, values in (("J", scores.j_statistics), ("F", scores.f_statistics)):
        wanted = [expected[f"{measure}_{key}"] for key in ("mean", "recall", "decay")]
        np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-9)


def plain_boundary(mask: Mask) -> Mask:
    height, width = mask.shape
    result = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            below, right = min(y + 1, height - 1), min(x + 1, width - 1)
            result[y, x] = (
                len({bool(mask[y, x]), bool(mask[y, right]), bool(mask[below, x]), bool(mask[below, right])}) > 1
            )
    return result


def plain_boundary_measure(prediction: Mask, truth: Mask) -> float:
    """The definition, with a distance for every pair of boundary pixels."""
    predicted, true = np.argwhere(plain_boundary(prediction)), np.argwhere(plain_boundary(truth))
    if not len(predicted) or not len(true):
        return float(len(predicted) == len(true))
    radius = math.ceil(0.008 * np.linalg.norm(truth.shape))
    near = ((predicted[:, None] - true[None]) ** 2).sum(axis=-1) <= radius**2
    precision, recall = near.any(axis=1).mean(), near.any(axis=0).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def blobs(rng: np.random.Generator, height: int, width: int) -> Mask:
    mask = np.zeros((height, width), dtype=bool)
    for _ in range(rng.integers(0, 4)):
        y, x = rng.integers(0, height), rng.integers(0, width)
        mask[y : y + rng.integers(1, height + 1), x : x + rng.integers(1, width + 1)] ^= True
    return mask ^ (rng.random(mask.shape) < rng.choice([0, 0.01]))


@pytest.mark.parametrize("seed", range(60))
def test_equals_the_definition_pixel_by_pixel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # From 1 to 4 pixels of tolerance; narrow images too, where the disk is larger than the image.
    height, width = int(rng.integers(1, 60)), int(rng.choice([1, 3, 40, 400]))
    prediction, truth = blobs(rng, height, width), blobs(rng, height, width)
    np.testing.assert_array_equal(boundary_map(prediction), plain_boundary(prediction))
    assert boundary_measure(prediction, truth) == pytest.approx(plain_boundary_measure(prediction, truth), abs=1e-12)


sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))
pairs = sizes.flatmap(lambda size: st.tuples(*[arrays.arrays(np.bool_, size)] * 2))


@settings(max_examples=200, deadline=None)
@given(pairs)
def test_what_always_holds(pair: tuple[Mask, Mask]) -> None:
    prediction, truth = pair
    j, f = score_frame(prediction, truth)
    assert 0 <= j <= 1
    assert 0 <= f <= 1
    assert (j, f) == (region_similarity(prediction, truth), boundary_measure(prediction, truth))
    assert score_frame(truth, prediction) == pytest.approx((j, f), abs=1e-12)
    assert score_frame(prediction.T, truth.T) == pytest.approx((j, f), abs=1e-12)
    assert score_frame(truth, truth) == (1.0, 1.0)
    assert region_similarity(prediction[::-1], truth[::-1]) == j


@settings(max_examples=50, deadline=None)
@given(pairs, st.integers(0, 20), st.integers(0, 20))
def test_scores_do_not_depend_on_the_place(pair: tuple[Mask, Mask], dy: int, dx: int) -> None:
    canvas = [np.zeros((2, 40, 40), dtype=bool) for _ in range(2)]
    for images, mask in zip(canvas, pair, strict=True):
        height, width = mask.shape
        images[0, 4 : 4 + height, 4 : 4 + width] = mask
        images[1, 4 + dy : 4 + dy + height, 4 + dx : 4 + dx + width] = mask
    assert score_frame(canvas[0][0], canvas[1][0]) == score_frame(canvas[0][1], canvas[1][1])


def square(*box: int) -> Mask:
    mask = np.zeros((100, 100), dtype=bool)
    y, x, height, width = box
    mask[y : y + height, x : x + width] = True
    return mask


@pytest.mark.parametrize(
    ("prediction", "truth", "j", "f"),
    [
        (square(0, 0, 0, 0), square(0, 0, 0, 0), 1, 1),
        (square(0, 0, 0, 0), square(9, 9, 5, 5), 0, 0),
        (square(9, 9, 5, 5), square(0, 0, 0, 0), 0, 0),
        # The whole image has no boundary, like an empty one.
        (square(0, 0, 100, 100), square(0, 0, 0, 0), 0, 1),
        (square(0, 0, 100, 100), square(0, 0, 100, 100), 1, 1),
        (square(10, 10, 20, 20), square(60, 60, 20, 20), 0, 0),
        # The tolerance of 100 x 100 is two pixels, and not more.
        (square(10, 10, 20, 20), square(12, 10, 20, 20), 18 / 22, 1),
        (square(0, 0, 100, 10), square(0, 0, 100, 12), 10 / 12, 1),
        (square(0, 0, 100, 10), square(0, 0, 100, 13), 10 / 13, 0),
    ],
)
def test_known_values(prediction: Mask, truth: Mask, j: float, f: float) -> None:
    assert score_frame(prediction, truth) == pytest.approx((j, f), abs=1e-12)


def test_the_tolerance_is_a_disk_not_a_square() -> None:
    # One-pixel masks have 2 x 2 boundaries. Moved by (2, 2), every pixel of one is within the square around a pixel of
    # the other, but only the facing corners are within the disk.
    straight = score_frame(square(10, 10, 1, 1), square(10, 12, 1, 1))[1]
    diagonal = score_frame(square(10, 10, 1, 1), square(12, 12, 1, 1))[1]
    assert straight == 1.0
    assert diagonal == 0.25


def test_wrong_arrays_are_refused() -> None:
    mask = square(1, 1, 2, 2)
    with pytest.raises(ValueError, match="one size"):
        score_frame(mask, mask[1:])
    with pytest.raises(ValueError, match=r"must be \(H, W\) bool"):
        region_similarity(mask[None], mask[None])
    with pytest.raises(ValueError, match="bool"):
        boundary_measure(mask.astype(np.uint8), mask)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "mean", "recall", "decay"),
    [
        ([0.5], 0.5, 0.0, 0.0),
        ([1.0, 0.0], 0.5, 0.5, 1.0),
        # Bins of five frames share their ends: the first is frames 1 and 2, the last 4 and 5.
        ([1.0, 0.8, 0.6, 0.4, 0.2], 0.6, 0.6, 0.6),
        # Limits of 11 frames are 1, 3.5, 6, 8.5 and 11; halves round up, so the last bin begins with frame 9.
        ([0.0] * 7 + [1.0] + [0.0] * 3, 1 / 11, 1 / 11, 0.0),
        ([0.51] * 300, 0.51, 1.0, 0.0),
    ],
)
def test_statistics(values: list[float], mean: float, recall: float, decay: float) -> None:
    assert statistics(values) == pytest.approx((mean, recall, decay), abs=1e-12)


def test_decay_of_a_long_video() -> None:
    assert statistics([1.0] * 400 + [0.0] * 400).decay == 1.0


def test_statistics_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        statistics([])
