"""Clips with two objects, made of small pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from held_out import held_out_mixture

from vlp_rvos.data.mixture import Mixture
from vlp_rvos.data.object_pairs import category_pair, motion_pair
from vlp_rvos.errors import UserError


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    return held_out_mixture(tmp_path_factory.mktemp("data") / "stills")


def test_pairs_of_categories(mixture: Mixture) -> None:
    for index in range(5):
        pair = category_pair(mixture, index, frames=6)
        assert pair.frames.shape == (6, 64, 96, 3)
        assert pair.masks.shape == (2, 6, 64, 96)
        assert pair.masks.any((2, 3)).all()
        assert not (pair.masks[0] & pair.masks[1]).any()
        assert pair.expressions[0] != pair.expressions[1]
        again = category_pair(mixture, index, frames=6)
        assert np.array_equal(again.frames, pair.frames)


def test_pairs_that_differ_in_motion(mixture: Mixture) -> None:
    for index in range(5):
        pair = motion_pair(mixture, index, frames=6)
        left, right = (mask.any(1).argmax(1) for mask in (pair.masks[0], pair.masks[1]))
        assert left[-1] - left[0] < right[-1] - right[0]
        assert pair.expressions[0].endswith("to the left")
        assert pair.expressions[0].replace("left", "right") == pair.expressions[1]


def test_a_single_category_makes_no_pair(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two categories"):
        category_pair(held_out_mixture(tmp_path / "stills", ("dog",)), 0)
