from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.media.rle import encode_mask
from vlp_rvos.teaching.lesson_scores import Answer, LessonScores, score_answers


def answer(text: str, rows: int, j: float | None = None, meant: tuple[str, ...] | None = None) -> Answer:
    mask = np.zeros((4, 4), bool)
    mask[:rows] = True
    return Answer("a.jpg", text, meant, j, encode_mask(mask))


def test_scores_and_what_is_kept() -> None:
    before = [answer("the widget", 1, 0.25, ("0",)), answer("the bus", 2, meant=()), answer("the dog", 4)]
    after = [answer("the widget", 2, 0.75, ("0",)), answer("the bus", 0, meant=()), answer("the dog", 2)]
    old, new = score_answers(before, before), score_answers(after, before)
    assert old == LessonScores(0.25, {"the widget": 0.25}, 1.0, 1.0)
    assert new == LessonScores(0.75, {"the widget": 0.75}, 0.0, 0.5)
    assert old.value(old) == 0
    assert new.value(old) == pytest.approx(0.5 + 0.5 - 0.25)


def test_two_empty_answers_say_nothing_about_what_is_kept() -> None:
    before, after = [answer("the dog", 0), answer("the cat", 1)], [answer("the dog", 0), answer("the cat", 0)]
    assert score_answers(after, before).kept == 0
    assert score_answers(before[:1], after[:1]).kept == 1
