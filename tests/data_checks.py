"""Helpers for tests of the readers of benchmarks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from vlp_rvos.data.benchmarks import CheckItem, ReferringDataset


def edit_json(file: Path, change: Callable[[Any], object]) -> None:
    """Change the content of a JSON file in place."""
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def assert_objects(
    dataset: ReferringDataset, video: str, frame: str, expected: np.ndarray, ids: dict[int, int]
) -> None:
    """The objects of a frame are exactly `ids`: object id of the data set -> id in `expected`."""
    objects = dataset.load_objects(video, frame)
    assert objects is not None
    assert list(objects) == list(ids)
    for i, mask in objects.items():
        assert mask.dtype == np.bool_
        np.testing.assert_array_equal(mask, expected == ids[i])


def found_counts(items: Iterable[CheckItem]) -> dict[str, int]:
    """What was counted, without the name of the file -> how many were found."""
    return {item.what.partition(" (")[0]: item.found for item in items}
