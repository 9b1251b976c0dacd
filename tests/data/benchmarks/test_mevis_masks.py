"""Reading single annotations of a large file of masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import video_miniatures as miniatures

from vlp_rvos.data.benchmarks.mevis import MaskFile
from vlp_rvos.errors import UserError


@pytest.mark.parametrize("indent", [None, 1])
def test_annotations_are_found_whatever_the_white_space(tmp_path: Path, indent: int | None) -> None:
    """Whatever the white space, and whatever letters the run lengths hold."""
    tricky = {"size": [3, 4], "counts": "[\\]:o{0,P}"}
    full = miniatures.encode(np.ones((3, 4), bool))
    file = tmp_path / "mask_dict.json"
    file.write_text(
        json.dumps(
            {"7": [tricky, None], "12": [], "3": [None, full, {"size": [2, 2], "counts": [1, 3]}]}, indent=indent
        )
    )
    masks = MaskFile(file)
    assert sorted(masks.spans) == [3, 7, 12]
    assert masks.load(3, 0) is None
    assert masks.load(7, 1) is None
    mask = masks.load(3, 1)
    assert mask is not None
    assert mask.tolist() == [[True] * 4] * 3
    uncompressed = masks.load(3, 2)
    assert uncompressed is not None
    assert uncompressed.tolist() == [[False, True], [True, True]]
    with pytest.raises(UserError, match="annotation 12 has 0 masks"):
        masks.load(12, 0)
    with pytest.raises(UserError, match="has no annotation 5"):
        masks.load(5, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot read"),
        ("[]", "has no lists of masks"),
        ('{"0": [null], "1": [null], "0": [null]}', "two lists of masks for one annotation"),
        ('{"0": [{"size": [48, 64], "coun', "cannot read .* at byte"),
        ('{"0": ' + "[" * 100_000, "cannot read .* at byte"),
        ('{"0": [{"size": [48, 64]}]}', "is broken"),
        ('{"0": ["run lengths"]}', "is broken"),
        # What the runs of a mask do not cover, the library leaves as it finds it in the memory.
        ('{"0": [{"size": [20, 30], "counts": "Y35?00000000000000000"}]}', "cover 290 pixels of 600"),
        ('{"0": [{"size": [20, 30], "counts": [105, 5]}]}', "cover 110 pixels of 600"),
        ('{"0": [{"size": [30, 30], "counts": "Y35?00000000000000000W9"}]}', "cover 600 pixels of 900"),
        ('{"0": [{"size": [20, 30], "counts": ""}]}', "cover 0 pixels of 600"),
        ('{"0": [{"size": [20, 30], "counts": "zzzz~~~###"}]}', "foreign character"),
        ('{"0": [[]]}', "polygons do not tell the size"),
        ('{"0": [[[1, 1, 5, 1, 5, 5]]]}', "polygons do not tell the size"),
        ('{"0": [{"size": [1000000000, 1000000000], "counts": [1000000000000000000]}]}', "not a height and a width"),
    ],
)
def test_broken_files(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "mask_dict.json"
    file.write_text(content)
    with pytest.raises(UserError, match=message):
        MaskFile(file).load(0, 0)
