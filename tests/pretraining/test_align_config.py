from __future__ import annotations

import math

import pytest

from vlp_rvos.pretraining.align_config import AlignConfig


@pytest.mark.parametrize(
    ("name", "value"), [("minutes", 0.0), ("minutes", math.nan), ("crops", 0), ("batch", 10**9), ("lr", math.inf)]
)
def test_numbers_have_a_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        AlignConfig(**{name: value})  # type: ignore[arg-type]
