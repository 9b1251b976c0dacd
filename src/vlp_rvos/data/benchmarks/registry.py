"""The published benchmarks by name. The module that reads a benchmark is imported when it is asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast

from vlp_rvos.data.benchmarks.completeness import CheckItem
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset
from vlp_rvos.data.sources.files import existing_folder
from vlp_rvos.errors import UserError

__all__ = ["benchmark_names", "check_benchmark", "open_benchmark", "splits"]

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
"""Name of a benchmark -> the module that reads it."""


class _Reader(Protocol):
    """What every module that reads a benchmark offers."""

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
    return _reader(name).SPLITS


def open_benchmark(name: str, folder: str | Path, split: str) -> ReferringDataset:
    """Open a split of a benchmark.

    Args:
        name: name of the benchmark, one of `benchmark_names()`.
        folder: root of the data set, as published.
        split: name of the split, one of `splits(name)`.

    Raises:
        UserError: there is no such benchmark, split or folder, or files are missing or do not follow the layout.

    Example:
        >>> dataset = open_benchmark("mevis", "data/mevis", "valid_u")             # doctest: +SKIP
        >>> video = dataset.videos[0]                                              # doctest: +SKIP
        >>> dataset.load_mask(video.name, video.frames[0], video.expressions[0])   # doctest: +SKIP
    """
    reader = _reader(name)
    if split not in reader.SPLITS:
        raise UserError(f"{name} has no split '{split}'; it has {', '.join(reader.SPLITS)}")
    return reader.open_split(existing_folder(Path(folder)), split, name)


def check_benchmark(name: str, folder: str | Path) -> list[CheckItem]:
    """Compare the files and entries of a benchmark with the official numbers. Broken files count as missing.

    Args:
        name: name of the benchmark, one of `benchmark_names()`.
        folder: root of the data set, as published.

    Raises:
        UserError: there is no such benchmark or folder.
    """
    return _reader(name).check(existing_folder(Path(folder)), name)


def _reader(name: str) -> _Reader:
    if name not in _MODULES:
        raise UserError(f"unknown data set '{name}'; known are {', '.join(_MODULES)}")
    return cast(_Reader, importlib.import_module(f"vlp_rvos.data.benchmarks.{_MODULES[name]}"))
