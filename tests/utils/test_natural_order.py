"""The order of numbered names."""

from __future__ import annotations

import random

import pytest

from vlp_rvos.utils.natural_order import natural_order


@pytest.mark.parametrize(
    "names",
    [
        ["0", "1", "2", "9", "10", "11", "100"],
        ["00000", "00001", "00010"],
        ["1", "2", "003", "10"],
        ["frame", "frame2", "frame10", "frame10b", "frames"],
        ["a1b2", "a1b10", "a2b1", "b"],
        ["2024-1-9", "2024-1-10", "2024-10-1"],
        ["9" * 5000, "1" + "0" * 5000],
        ["9", "a", "²"],
        ["", "1", "a"],
    ],
)
def test_numbers_are_compared_by_value(names: list[str]) -> None:
    shuffled = random.Random(0).sample(names, len(names))
    assert sorted(shuffled, key=natural_order) == names


def test_equal_numbers_have_an_order_too() -> None:
    assert sorted(["1", "01", "001"], key=natural_order) == sorted(["001", "1", "01"], key=natural_order)
