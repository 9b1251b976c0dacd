from __future__ import annotations

import numpy as np
from explanations import candidate

from vlp_rvos.explaining.panels import candidate_colour, candidate_panel, heat_panel, mask_panel, shrink

FRAME = np.full((96, 128, 3), 120, np.uint8)


def test_more_is_brighter() -> None:
    low, high = (heat_panel(FRAME, np.full((3, 4), value, np.float32)) for value in (0.0, 1.0))
    assert low.shape == FRAME.shape
    assert high[..., 0].min() > low[..., 0].max()


def test_values_lie_where_they_belong() -> None:
    values = np.zeros((3, 4), np.float32)
    values[0, 0] = 1
    drawn = heat_panel(FRAME, values)
    assert drawn[0, 0].sum() > drawn[-1, -1].sum() + 100


def test_a_mask_is_coloured_and_the_rest_darker() -> None:
    mask = np.zeros((48, 64), bool)
    mask[10:30, 10:30] = True
    drawn = mask_panel(FRAME, mask)
    assert drawn[40, 40, 0] > 150 > drawn[40, 40, 1]
    assert drawn[-1, -1].tolist() == [72, 72, 72]
    assert np.array_equal(mask_panel(FRAME, np.zeros((48, 64), bool)), FRAME)


def test_candidates_that_are_meant_are_filled() -> None:
    meant, other = candidate(1, 1.0, 0.9), candidate(2, 0.0, 0.0)
    drawn = candidate_panel(FRAME, [meant, other], 12)
    inside, outside = drawn[20:78, 12:46], drawn[20:78, 74:118]
    assert np.ptp(inside[2, 4].astype(int)) > 20
    assert drawn[0, 0].tolist() == [72, 72, 72]
    assert len(np.unique(outside.reshape(-1, 3), axis=0)) > 1
    assert candidate_colour(meant) != candidate_colour(candidate(3, 1.0, 0.9)) != candidate_colour(other)


def test_nothing_is_drawn_of_what_is_not_seen() -> None:
    from dataclasses import replace

    hidden = [
        replace(candidate(1, 1.0, 0.9), mask=None),
        replace(candidate(2, 1.0, 0.9), mask=np.zeros((12, 16), bool)),
    ]
    assert (candidate_panel(FRAME, hidden, 12) == 72).all()


def test_shrink() -> None:
    assert shrink(FRAME, (24, 32)).shape == (24, 32, 3)
