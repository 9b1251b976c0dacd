"""Sheets have one size, whatever is on them, and different explanations look different."""

from __future__ import annotations

import numpy as np
import pytest
from explanations import candidate, dense_explanation, explanation, result_of

from vlp_rvos.explaining.explanation import Explanation, WordReading
from vlp_rvos.explaining.explanation_sheet import ExplanationSheet

LONG = "the " + "very " * 60 + "small dog, ‮ and \x1b[31m é 犬"
MANY = tuple(WordReading(f"word{i}", None, {"fusion": 0.1}) for i in range(30))


@pytest.mark.parametrize(
    "given",
    [
        explanation(),
        explanation(expression=LONG, words=MANY),
        explanation(candidates=tuple(candidate(i, -i, 0.0) for i in range(1, 25)), none=-99.0),
        explanation(candidates=()),
        dense_explanation(score_map=None, dense_presence=None),
        explanation(words=()),
    ],
)
@pytest.mark.parametrize("frame", [(48, 64), (64, 20), (3, 300)])
def test_any_explanation_fits(given: Explanation, frame: tuple[int, int]) -> None:
    sheet = ExplanationSheet(frame, len(given.words), 800)
    drawn = sheet.draw(result_of(given), given)
    assert drawn.shape == (*sheet.size, 3)
    assert sheet.size[0] % 2 == sheet.size[1] % 2 == 0
    assert drawn.std() > 5


def test_what_differs_looks_different() -> None:
    sheet = ExplanationSheet((48, 64), 3, 800)
    given = explanation()
    drawn = sheet.draw(result_of(given), given)
    for changes in ({"presence": 0.5}, {"none": 5.0}, {"candidates": given.candidates[:1]}, {"mask": ~given.mask}):
        other = explanation(**changes)
        assert not np.array_equal(sheet.draw(result_of(other), other), drawn)
    assert np.array_equal(sheet.draw(result_of(given), given), drawn)


def test_more_words_take_more_rows() -> None:
    heights = [ExplanationSheet((48, 64), words, 800).size[0] for words in (1, 6, 7, 12, 60)]
    assert heights[0] == heights[1] < heights[2] == heights[3] == heights[4]
