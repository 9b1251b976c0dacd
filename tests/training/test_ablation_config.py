from __future__ import annotations

from pathlib import Path

import pytest
from small_ablation import write_ablation

from vlp_rvos.errors import UserError
from vlp_rvos.training.ablation_config import load_ablation


def test_rows_and_seeds_are_selected(tmp_path: Path) -> None:
    whole = load_ablation(write_ablation(tmp_path), ["train.steps=2"])
    assert (whole.train["steps"], whole.seeds) == (2, (0, 1))
    assert [row.name for row in whole.rows] == ["full", "frame", "tuned"]
    part = whole.select(["tuned", "full"], [3, 3, 2])
    assert ([row.name for row in part.rows], part.seeds) == (["full", "tuned"], (3, 2))
    assert whole.select() == whole
    with pytest.raises(UserError, match="no such row: fool; use full, frame, tuned"):
        whole.select(["fool"])


def test_an_ablation_that_does_not_exist() -> None:
    with pytest.raises(UserError, match=r"no such ablation.*mini"):
        load_ablation(Path("maxi"))
