"""Read what the model card beside shipped weights states: its first table, as plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vlp_rvos.models.backbones.shipped_weights import WEIGHTS

__all__ = ["CardNumber", "card_numbers", "read_card"]


@dataclass(frozen=True)
class CardNumber:
    """A measured number of a card.

    Attributes:
        value: the number, usually in percent.
        source: name of the row of `docs/results.jsonl` that it was taken from, and of the value in it.
    """

    value: float
    source: str


#: A number before the name of its source; `tests/docs` compares them with the results.
NUMBER = re.compile(r"([\d.]+) \(`([a-z0-9-]+(?:: [\w.&]+)?)`\)")


def read_card(model: str) -> dict[str, str]:
    """The rows of the first table of a shipped model's card, as Markdown; empty where there is no card or no table.

    Args:
        model: name of the model.
    """
    path = WEIGHTS / f"{model}.md"
    rows: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        cells = re.fullmatch(r"\| ([\w ]+) \| (.+) \|", line)
        if cells:
            rows[cells[1]] = cells[2]
        elif rows:
            break
    return rows


def card_numbers(text: str) -> tuple[str, list[CardNumber]]:
    """A row of a card without the sources of its numbers, and the numbers with their sources."""
    numbers = [CardNumber(float(value), source) for value, source in NUMBER.findall(text)]
    return re.sub(r"[`*]", "", NUMBER.sub(r"\1", text)), numbers
