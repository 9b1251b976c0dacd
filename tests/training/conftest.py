"""Every test of training runs on a tiny model and synthetic data."""

from __future__ import annotations

import pytest
from training_runs import Squares, use_tiny_model_and_squares


@pytest.fixture(autouse=True)
def mixtures(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Squares]]:
    """The mixtures that were built, by split."""
    return use_tiny_model_and_squares(monkeypatch)
