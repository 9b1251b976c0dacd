from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from pointed_squares import SQUARE, SquaresRuntime, picture

from vlp_rvos import DrawnMask, FrameResult, Point, Segmenter
from vlp_rvos.arrays import Image
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.inference.options import InferenceOptions

#: Number of frames; red moves to the right, green stands.
FRAMES = 11
FPS = 24


def frames(count: int = FRAMES) -> list[Image]:
    return [picture(red=(4 * t, 0), green=(40, 40)) for t in range(count)]


def segmenter() -> Segmenter:
    return Segmenter(SquaresRuntime(), options=InferenceOptions())


def corners(results: list[FrameResult], row: int = 0) -> list[tuple[int, int] | None]:
    """x and y of the upper left corner of each mask, to within a few pixels: masks are drawn on a coarse grid."""
    found: list[tuple[int, int] | None] = []
    for result in results:
        rows, columns = np.nonzero(result.masks[row])
        found.append((int(columns.min()), int(rows.min())) if len(rows) else None)
    return found


def near(found: list[Any], expected: list[Any]) -> bool:
    return len(found) == len(expected) and all(
        (a is None) == (b is None) and (a is None or max(abs(a[0] - b[0]), abs(a[1] - b[1])) <= 3)
        for a, b in zip(found, expected, strict=True)
    )


RED = [(4 * t, 0) for t in range(FRAMES)]


@pytest.mark.parametrize("time", [0, 5 / FPS, (FRAMES - 1) / FPS])
@pytest.mark.parametrize("ahead", [0, 1])
def test_a_thing_is_followed_both_ways(time: float, ahead: int) -> None:
    point = Point(4 * round(time * FPS) + 8, 8, time)
    results = list(segmenter().segment(frames(), points=[point], ahead=ahead))
    assert near(corners(results), RED)
    assert [result.index for result in results] == list(range(FRAMES))
    assert all(result.expressions == ("thing 1",) for result in results)
    assert all(result.score > 0.5 for result in results)


def test_files_are_followed_both_ways_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, spools = tmp_path / "video", tmp_path / "temporary"
    folder.mkdir()
    spools.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spools))
    monkeypatch.setattr("vlp_rvos.inference.backward.CLIPS_READ_TOGETHER", 1)
    for number, image in enumerate(frames()):
        PillowImage.fromarray(image).save(folder / f"{number}.png")
    results = list(segmenter().segment(folder, points=[Point(40, 8, 8 / FPS)], every=2))
    assert near(corners(results), RED[::2])
    assert [result.index for result in results] == list(range(0, FRAMES, 2))
    part = list(segmenter().segment(folder, points=[Point(40, 8, 8 / FPS)], start=5 / FPS, end=10 / FPS))
    assert near(corners(part), RED[5:10])
    assert list(spools.iterdir()) == []


def test_words_and_points_stand_side_by_side() -> None:
    points = [Point(8, 8, name="red"), Point(44, 44, 6 / FPS, name="green")]
    results = list(segmenter().segment(frames(), "everything", points=points))
    assert results[0].expressions == ("everything", "red", "green")
    assert results[0].masks[0].all()
    assert near(corners(results, 1), RED)
    assert near(corners(results, 2), [(40, 40)] * FRAMES)


def test_words_alone_are_read_once() -> None:
    one = segmenter()
    list(one.segment(frames(6), points=[Point(8, 8)]))
    assert isinstance(one.runtime, SquaresRuntime)
    assert one.runtime.frames == 6


def test_an_iterator_is_followed_forwards_only() -> None:
    def stream() -> Iterator[Image]:
        yield from frames()

    results = list(segmenter().segment(stream(), points=[Point(28, 8, 5 / FPS)]))
    assert near(corners(results), [None] * 5 + RED[5:])
    assert [result.presence < 0.01 for result in results] == [True] * 5 + [False] * 6


def test_a_live_source_is_followed_from_the_point_on() -> None:
    stream = segmenter().start(fps=FPS, points=[Point(16, 8, 2 / FPS)])
    results = stream.step(frames(4)) + stream.step(frames(6)[4:])
    assert near(corners(results), [None, None, *RED[2:6]])
    stream.reset()
    assert near(corners(stream.step(frames(4))), [None, None, *RED[2:4]])


def test_a_drawn_mask_is_followed() -> None:
    drawn = np.zeros((64, 64), bool)
    drawn[:SQUARE, 20 : 20 + SQUARE] = True
    assert near(corners(list(segmenter().segment(frames(), masks=[DrawnMask(drawn, 5 / FPS)]))), RED)


def test_a_later_point_takes_away() -> None:
    points = [Point(8, 8), Point(44, 44), Point(44, 44, 5 / FPS, include=False)]
    results = list(segmenter().segment(frames(), points=points))
    assert [bool(result.mask[48, 48]) for result in results] == [True] * 5 + [False] * 6


def test_what_is_outside_of_the_video_is_refused() -> None:
    with pytest.raises(UserError, match=r"the last frame of the video is at 0.4"):
        list(segmenter().segment(frames(), points=[Point(8, 8, 3.0)]))
    with pytest.raises(UserError, match=r"the last frame of the video is at 0.4"):
        list(segmenter().segment(frames(), points=[Point(8, 8), Point(9, 9, 3.0)]))
    with pytest.raises(UserError, match="outside of the frame"):
        list(segmenter().segment(frames(), points=[Point(64, 8)]))
    with pytest.raises(UserError, match="draw it on a frame"):
        list(segmenter().segment(frames(), masks=[DrawnMask(np.ones((4, 4), bool))]))


def test_a_point_on_nothing_is_reported() -> None:
    with pytest.warns(VLPRVOSWarning, match="'thing 1': at 4,60@0.125 nothing separate was found"):
        results = list(segmenter().segment(frames(), points=[Point(4, 60, 3 / FPS)]))
    assert corners(results) == [None] * FRAMES


def test_a_model_without_candidates_says_what_to_do() -> None:
    one = segmenter()
    one.runtime.can_point = False
    with pytest.raises(UserError, match="use mini"):
        one.start(points=[Point(1, 1)])
