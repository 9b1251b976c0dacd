from __future__ import annotations

from pathlib import Path

import pytest

from vlp_rvos.models import model_card
from vlp_rvos.models.model_card import CardNumber, card_numbers, read_card

CARD = """# Model card

| | |
|---|---|
| what | a model |
| licence | `MIT`, see the text |

| | first |
|---|---|
| other table | 1 |
"""


def test_the_first_table_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.md").write_text(CARD)
    monkeypatch.setattr(model_card, "WEIGHTS", tmp_path)
    assert read_card("own") == {"what": "a model", "licence": "`MIT`, see the text"}
    assert read_card("none") == {}


def test_numbers_and_their_sources() -> None:
    text = "right in 59.5 (`pictures: summary.choice`) %, and J&F 75.7 (`clips`) **%**, 3 clips"
    plain, numbers = card_numbers(text)
    assert plain == "right in 59.5 %, and J&F 75.7 %, 3 clips"
    assert numbers == [CardNumber(59.5, "pictures: summary.choice"), CardNumber(75.7, "clips")]
