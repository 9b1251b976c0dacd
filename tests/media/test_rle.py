"""Run-length encoding against that of COCO's own library, and what is said of encodings that are broken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask

from vlp_rvos.media.rle import MAX_OUTLINE, compress, decode_mask, encode_mask, mask_area, mask_overlap

Sides = tuple[int, int]
SIDES = st.tuples(st.integers(0, 3), st.integers(0, 3))
SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=12)


def library_code(mask: np.ndarray) -> dict[str, Any]:
    return coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=6)), SIDES, SIDES)
def test_a_part_is_encoded_as_the_whole_image(part: np.ndarray, before: Sides, after: Sides) -> None:
    mask = np.pad(part, list(zip(before, after, strict=True)))
    # The library has no code for an image without pixels.
    size = (max(1, mask.shape[0]), max(1, mask.shape[1]))
    whole = np.zeros(size, np.uint8, order="F")
    whole[: mask.shape[0], : mask.shape[1]] = mask
    expected = coco_mask.encode(whole)
    assert encode_mask(part, before, size) == {"size": list(size), "counts": expected["counts"].decode()}


def test_a_mask_alone_is_the_whole_image() -> None:
    mask = np.random.default_rng(0).random((48, 64)) < 0.5
    code = encode_mask(mask)
    assert np.array_equal(coco_mask.decode(code), mask)
    assert code["size"] == [48, 64]


@given(arrays(bool, SHAPES))
def test_every_form_is_decoded(mask: np.ndarray) -> None:
    code = library_code(mask)
    runs = np.diff(np.flatnonzero(np.diff(mask.T.ravel(), prepend=False)), prepend=0, append=mask.size)
    forms = [code, {"size": code["size"], "counts": code["counts"].decode()}, {"size": code["size"], "counts": [*runs]}]
    for form in forms:
        for size in (None, mask.shape):
            decoded = decode_mask(form, size)
            assert decoded.dtype == np.bool_
            assert np.array_equal(decoded, mask)
            assert compress(form, size) == {"size": code["size"], "counts": code["counts"].decode()}


def test_long_runs_take_several_characters() -> None:
    mask = np.zeros((3000, 2000), bool)
    mask[5:2990, 7:1999] = True
    mask[0, 0] = True
    assert np.array_equal(decode_mask(library_code(mask)), mask)
    assert encode_mask(mask)["counts"] == library_code(mask)["counts"].decode()


def test_polygons_are_drawn_as_the_library_draws_them() -> None:
    turns = np.linspace(0, 2 * np.pi, 7, endpoint=False)
    first = np.stack([30 + 20 * np.cos(turns), 20 + 15 * np.sin(turns)], 1).ravel()
    polygons = [first.tolist(), [40, 2, 70, 2.5, 55, 30], [5, 5, 9, 9]]
    expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, 48, 64))).astype(bool)
    assert 500 < expected.sum() < 2000
    assert np.array_equal(decode_mask(polygons, (48, 64)), expected)
    assert np.array_equal(decode_mask([np.asarray(polygon) for polygon in polygons], (48, 64)), expected)
    assert np.array_equal(decode_mask(compress(polygons, (48, 64))), expected)


@given(arrays(bool, SHAPES), st.data())
def test_empty_runs_change_nothing(mask: np.ndarray, data: st.DataObject) -> None:
    """The library itself counts wrong areas where runs are empty."""
    plain = [*np.diff(np.flatnonzero(np.diff(mask.T.ravel(), prepend=False)), prepend=0, append=mask.size).tolist()]
    counts = list(plain)
    for place in data.draw(st.lists(st.integers(0, len(plain)), max_size=4)):
        counts[place:place] = [0, 0]
    form = {"size": list(mask.shape), "counts": counts}
    assert np.array_equal(decode_mask(form), mask)
    assert compress(form) == compress({"size": list(mask.shape), "counts": plain}) == encode_mask(mask)
    assert mask_overlap(compress(form), compress(form)) == (mask.sum(), mask.sum())


def test_runs_that_an_empty_run_splits_are_joined() -> None:
    form = rle([5, 3, 0, 2, 0, 0, 10])
    assert compress(form) == compress(rle([5, 5, 10]))
    assert compress(rle([5, 0, 15, 0])) == compress(rle([20]))
    assert compress(rle([0, 0, 0, 20])) == compress(rle([0, 20]))


def test_polygons_of_two_points_are_no_boxes() -> None:
    """Four numbers mean left, top, width and height to the library."""
    for polygons in ([[1, 1, 3, 2]], [[1, 1, 3, 2], [0, 0, 3, 0, 3, 3]]):
        assert decode_mask(polygons, (4, 5)).sum() == decode_mask(polygons[1:] or [[0, 0] * 3], (4, 5)).sum()


@given(arrays(bool, (5, 7)), arrays(bool, (5, 7)))
def test_areas_are_counted(first: np.ndarray, second: np.ndarray) -> None:
    codes = encode_mask(first), encode_mask(second)
    assert mask_area(codes[0]) == first.sum()
    assert mask_overlap(*codes) == ((first & second).sum(), (first | second).sum())


def rle(counts: Any, size: Any = (4, 5)) -> dict[str, Any]:
    return {"size": list(size), "counts": counts}


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, "neither run lengths nor polygons"),
        ("text", "neither run lengths nor polygons"),
        (b"text", "neither run lengths nor polygons"),
        (7, "neither run lengths nor polygons"),
        ({}, "neither run lengths nor polygons"),
        ({"counts": [20]}, "neither run lengths nor polygons"),
        ({"size": [4, 5]}, "neither run lengths nor polygons"),
        # sizes
        (rle([20], (5, 4)), "its size is 4x5, that of the image 5x4"),
        (rle([20], (4, 5, 1)), "not a height and a width"),
        (rle([20], (-4, -5)), "not a height and a width"),
        (rle([0], (0, 5)), "not a height and a width"),
        (rle([20], (4.0, 5)), "not a height and a width"),
        (rle([20], ("4", "5")), "not a height and a width"),
        (rle([4], (True, 4)), "not a height and a width"),
        ({"size": "ab", "counts": "d3"}, "not a height and a width"),
        ({"size": None, "counts": "d3"}, "not a height and a width"),
        (rle([10**18], (10**9, 10**9)), "not a height and a width"),
        # counts as numbers
        (rle([]), "not whole numbers"),
        (rle([19]), "cover 19 pixels of 20"),
        (rle([10, 11]), "cover 21 pixels of 20"),
        (rle([25, -5]), "negative or larger"),
        (rle([2**63, 2**63]), "negative or larger"),
        (rle([2**200]), "not whole numbers"),
        (rle([10.5, 9.5]), "not whole numbers"),
        (rle(["10", "10"]), "not whole numbers"),
        (rle([True, 19]), "not whole numbers"),
        (rle(np.array([10.0, 10.0])), "not whole numbers"),
        (rle(np.array([[10, 10]])), "not whole numbers"),
        (rle({"10": 10}), "not whole numbers"),
        (rle([None, 20]), "not whole numbers"),
        (rle([[10, 10]]), "not whole numbers"),
        (rle([[10], 10]), "not whole numbers"),
        (rle(20), "not whole numbers"),
        (rle(None), "not whole numbers"),
        # counts as text
        (rle(""), "cover 0 pixels of 20"),
        (rle("d"), "middle of a number"),
        (rle("d0d"), "middle of a number"),
        (rle("c0"), "cover 19 pixels of 20"),
        (rle(b"c0"), "cover 19 pixels of 20"),
        (rle("d01"), "cover 21 pixels of 20"),
        (rle("e0"), "negative or larger"),
        (rle("O"), "negative or larger"),
        (rle("d0 "), "foreign character"),
        (rle("d0é"), "foreign character"),
        (rle("d0\ud800"), "foreign character"),
        (rle("\0"), "foreign character"),
        (rle("o" * 10_000_000 + "0"), "too large"),
        (rle("oooooo0" * 10_000), "negative or larger"),
        # polygons
        ([], "no polygons"),
        ([[]], "not a list of x and y"),
        ([[1, 2]], "not a list of x and y"),
        ([[1, 1, 3, 1, 2]], "not a list of x and y"),
        ([1, 1, 3, 1, 2, 3], "not a list of x and y"),
        ([[1, 1, 3, 1, "2", 3]], "not a list of x and y"),
        ([[[1, 1], [3, 1], [2, 3]]], "not a list of x and y"),
        ([[1, [1], 3, 1, 2, 3]], "not a list of x and y"),
        (["text"], "not a list of x and y"),
        ([None], "not a list of x and y"),
        ([rle([20])], "not a list of x and y"),
        ([[1, 1, float("nan"), 1, 2, 3]], "far outside"),
        ([[1, 1, float("inf"), 1, 2, 3]], "far outside"),
        ([[1, 1, 1e300, 1, 2, 3]], "far outside"),
        ([[1, 1, -6, 1, 2, 3]], "far outside"),
        ([[1, 1, 3, 1, 2, 10]], "far outside"),
        ([[1, 1, 10**400, 1, 2, 3]], "not a list of x and y"),
        ([[1, True, 3, 1, 2, 3]], "not a list of x and y"),
        ([[0, 0, 4, 0] * (MAX_OUTLINE // 8 + 1)], "too long"),
    ],
    ids=lambda value: f"{value!r:.30}",
)
def test_what_is_broken_gets_one_line(segmentation: Any, message: str) -> None:
    for read in (decode_mask, compress):
        with pytest.raises(ValueError, match=message) as caught:
            read(segmentation, (4, 5))
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 150


def test_polygons_need_the_size_of_their_image() -> None:
    with pytest.raises(ValueError, match="size of their image"):
        decode_mask([[0, 0, 3, 0, 3, 3]])
    with pytest.raises(ValueError, match="not a height and a width"):
        decode_mask([[0, 0, 3, 0, 3, 3]], (None, None))  # type: ignore[arg-type]


@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=12))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    try:
        mask = decode_mask(rle(text))
    except ValueError:
        return
    assert mask.shape == (4, 5)
    assert np.array_equal(coco_mask.decode(rle(text)), mask)
