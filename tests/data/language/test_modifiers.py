"""Which modifiers are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.data.language.modifiers import Modifier, draw_modifier, imagined_modifier


def test_the_modifiers_of_what_is_absent_are_drawn_by_their_weights() -> None:
    rng = np.random.default_rng(0)

    def share(phrase: str, *fillers: Modifier) -> float:
        return sum(phrase in m.phrases for _ in range(400) if (m := draw_modifier(fillers, rng)) is not None) / 400

    many = [imagined_modifier("colour", name, weight=2.0) for name in ("red", "pink")]
    assert share("red", *many) == pytest.approx(0.5, abs=0.1)
    assert share("left", *many, imagined_modifier("place", "left")) == pytest.approx(0.5, abs=0.1)
    assert share("red", imagined_modifier("colour", "red", weight=0.2)) == pytest.approx(0.2, abs=0.1)


def test_none_is_drawn_of_none() -> None:
    assert draw_modifier([], np.random.default_rng(0)) is None


def test_a_slot_of_large_weight_is_no_likelier_than_another() -> None:
    modifiers = [imagined_modifier("colour", f"colour {k}") for k in range(9)] + [imagined_modifier("place", "left")]
    rng = np.random.default_rng(0)
    drawn = [draw_modifier(modifiers, rng) for _ in range(600)]
    assert None not in drawn
    assert sum(m is not None and m.slot == "place" for m in drawn) / 600 == pytest.approx(0.5, abs=0.07)


def test_what_is_imagined_is_neither_true_nor_false() -> None:
    modifier = imagined_modifier("colour", "red", "scarlet", weight=0.2)
    assert (modifier.phrases, modifier.weight, modifier.exclusive) == (("red", "scarlet"), 0.2, False)
    assert modifier.test(0) is None
