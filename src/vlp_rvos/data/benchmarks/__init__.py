"""The published benchmarks, each read from its official layout: a registry that imports a reader when it is asked for.

`docs/data.md` says what each layout is and where it comes from.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast

from vlp_rvos.data.benchmarks.referring_dataset import CheckItem, ReferringDataset, ReferringExpression, ReferringVideo
from vlp_rvos.data.sources.files import existing_folder
from vlp_rvos.errors import UserError

__all__ = [
    "CheckItem",
    "ReferringDataset",
    "ReferringExpression",
    "ReferringVideo",
    "benchmark_names",
    "check_benchmark",
    "open_benchmark",
    "splits",
]

_MODULES = {
    "ref-youtube-vos": "ref_youtube_vos",
    "ref-davis17": "ref_davis",
    "mevis": "mevis",
    "a2d-sentences": "a2d",
    "jhmdb-sentences": "jhmdb",
    "refcoco": "refcoco",
    "refcoco+": "refcoco",
    "refcocog": "refcoco",
}


class _Layout(Protocol):
    """What every module of a layout offers."""

    SPLITS: tuple[str, ...]

    def open_split(self, folder: Path, split: str, name: str) -> ReferringDataset: ...

    def check(self, folder: Path, name: str) -> list[CheckItem]: ...


def benchmark_names() -> tuple[str, ...]:
    """All names that `open_benchmark` takes."""
    return tuple(_MODULES)


def splits(name: str) -> tuple[str, ...]:
    """The splits of a benchmark.

    Raises:
        UserError: no benchmark has this name.
    """
    return _layout(name).SPLITS


def open_benchmark(name: str, folder: str | Path, split: str) -> ReferringDataset:
    """Open a split of a benchmark.

    Args:
        name: one of `benchmark_names()`.
        folder: root of the data set, as published.
        split: one of `splits(name)`.

    Raises:
        UserError: an unknown name or split, no such folder, or files that are missing or do not follow the layout.

    Example:
        >>> dataset = open_benchmark("mevis", "data/mevis", "valid_u")             # doctest: +SKIP
        >>> video = dataset.videos[0]                                              # doctest: +SKIP
        >>> dataset.load_mask(video.name, video.frames[0], video.expressions[0])   # doctest: +SKIP
    """
    layout = _layout(name)
    if split not in layout.SPLITS:
        raise UserError(f"{name} has no split '{split}'; it has {', '.join(layout.SPLITS)}")
    return layout.open_split(existing_folder(Path(folder)), split, name)


def check_benchmark(name: str, folder: str | Path) -> list[CheckItem]:
    """Count what is there against the official numbers. Broken files count as missing; the hint says what is wrong.

    Args:
        name: one of `benchmark_names()`.
        folder: root of the data set, as published.

    Raises:
        UserError: an unknown name, or no such folder.
    """
    return _layout(name).check(existing_folder(Path(folder)), name)


def _layout(name: str) -> _Layout:
    if name not in _MODULES:
        raise UserError(f"unknown data set '{name}'; known are {', '.join(_MODULES)}")
    return cast(_Layout, importlib.import_module(f"{__name__}.{_MODULES[name]}"))
