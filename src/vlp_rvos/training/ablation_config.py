"""The configuration of an ablation table: one training, repeated with one part changed at a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from vlp_rvos.errors import UserError
from vlp_rvos.utils.ranges import MAX_SEED, Range, check_ranges
from vlp_rvos.utils.settings import read_settings
from vlp_rvos.utils.special_files import refuse_special_file

__all__ = ["AblationConfig", "AblationRow", "load_ablation"]


@dataclass(frozen=True)
class AblationRow:
    """One row of the table.

    Attributes:
        name: name of the row's folder.
        title: title of the row in the table.
        model: `ModelConfig` field -> value, for fields that differ from the other rows.
        train: training settings that differ from the other rows.
        aligned: whether the frozen image features match the text encoder; False uses `misaligned_backbone`.
    """

    name: str
    title: str
    model: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    aligned: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]+", self.name):
            raise ValueError(f"name '{self.name}' must consist of small letters, digits and -: it names a folder")


@dataclass(frozen=True)
class AblationConfig:
    """An ablation table.

    Attributes:
        base: training configuration of all rows, a file or a shipped name.
        rows: rows of the table; the others are compared with the first one.
        train: training settings that replace those of `base`, for all rows.
        seeds: seeds of the runs of each row, of the training and of its data.
        pairs: number of clips for each kind of object pair in the grounding probe, and for presence; 0 skips the probe.
    """

    base: str
    rows: tuple[AblationRow, ...]
    train: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[Annotated[int, Range(0, MAX_SEED)], ...] = (0, 1)
    pairs: Annotated[int, Range(0, 10**5)] = 0

    def __post_init__(self) -> None:
        check_ranges(self)
        names = [row.name for row in self.rows]
        if not names or not self.seeds:
            raise ValueError("there must be at least one row and one seed")
        if len(set(names)) < len(names) or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("no row and no seed may come twice")

    def select(self, rows: Sequence[str] = (), seeds: Sequence[int] = ()) -> AblationConfig:
        """The table with some of its rows and seeds.

        Args:
            rows: names of the rows to keep; empty for all.
            seeds: seeds to use; empty for those of the configuration.

        Raises:
            UserError: there is no such row.
        """
        known = [row.name for row in self.rows]
        if unknown := [name for name in rows if name not in known]:
            raise UserError(f"no such row: {', '.join(unknown)}; use {', '.join(known)}")
        chosen = tuple(row for row in self.rows if not rows or row.name in rows)
        return replace(self, rows=chosen, seeds=tuple(dict.fromkeys(seeds)) or self.seeds)


def load_ablation(source: Path, overrides: Sequence[str] = ()) -> AblationConfig:
    """Read the configuration of a table.

    Args:
        source: YAML file, or name of a shipped one.
        overrides: settings that replace those of the file, "a.b=value" each; the value is YAML.

    Raises:
        UserError: no such file, not YAML, an unknown key, a value of the wrong type or out of range.
    """
    folder = Path(str(resources.files("vlp_rvos") / "training" / "recipes" / "ablation"))
    shipped = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    refuse_special_file(source)
    file = source if source.is_file() else shipped.get(str(source))
    if file is None:
        raise UserError(f"{source}: no such ablation; give a YAML file or a shipped name ({', '.join(shipped)})")
    return read_settings(AblationConfig, file, overrides)
