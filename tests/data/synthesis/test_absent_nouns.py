"""Nouns for what is not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from coco_folder import Shape
from scene_clips import BLUE, GREEN, RED, write_bank

from vlp_rvos.data.language.vocabulary import CATEGORY_NAMES
from vlp_rvos.data.synthesis.absent_nouns import COMMON_CATEGORIES, AbsentNouns
from vlp_rvos.data.synthesis.cutouts import CutoutBank


@pytest.fixture
def nouns(tmp_path: Path) -> AbsentNouns:
    """Three of four pictures show a dog, one a cat; a car and a person can be cut out too."""
    dog = [Shape("dog", (5, 20, 45, 60), RED)]
    others = [Shape("cat", (5, 20, 45, 60), RED), Shape("car", (60, 20, 100, 60), BLUE)]
    bank = write_bank(tmp_path, [dog, dog, dog, [*others, Shape("person", (110, 20, 150, 60), GREEN)]])
    return AbsentNouns(CutoutBank([bank]), [(bank, 2.0)], 2.0)


def test_what_backgrounds_may_show_is_not_called_absent(nouns: AbsentNouns) -> None:
    assert nouns.pasted == ("cat", "dog")
    assert set(CATEGORY_NAMES) >= COMMON_CATEGORIES


def test_nouns_are_drawn_as_often_as_they_are_right(nouns: AbsentNouns) -> None:
    rng = np.random.default_rng(0)
    drawn = [noun for _ in range(100) for noun in nouns.draw(("dog", "cat", "zebra"), rng)]
    counts = {noun: drawn.count(noun) for noun in ("dog", "cat", "zebra")}
    assert sum(counts.values()) == 1600
    assert counts["dog"] > 1.3 * counts["cat"] > 0
    assert counts["zebra"] < 5, "nothing in this data is a zebra"


def test_the_first_name_is_the_commonest(nouns: AbsentNouns) -> None:
    rng = np.random.default_rng(0)
    drawn = [noun for _ in range(50) for noun in nouns.draw(("car", "automobile"), rng)]
    assert drawn.count("car") / len(drawn) == pytest.approx(0.7, abs=0.06)


def test_of_nothing_nothing_is_drawn(nouns: AbsentNouns) -> None:
    assert nouns.draw((), np.random.default_rng(0)) == ()
