"""Which masks one output shows, and how it is called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from frame_results import result
from written_formats import HEADER

from vlp_rvos.formats.chosen_masks import chosen_masks
from vlp_rvos.formats.format_options import FormatOptions


def test_all_together_is_the_union() -> None:
    one = result()
    (output,) = chosen_masks(HEADER, FormatOptions())
    assert output.name == "dog"
    assert np.array_equal(output.of(one), one.masks[0] | one.masks[1])


def test_each_expression_has_its_own() -> None:
    one = result()
    outputs = chosen_masks(HEADER, FormatOptions(each=True))
    assert [output.name for output in outputs] == ["01-the-dog-that-jumps", "02-a-red-car"]
    for output, mask in zip(outputs, one.masks, strict=True):
        assert np.array_equal(output.of(one), mask)


def test_hostile_and_equal_expressions_have_names_of_their_own() -> None:
    header = replace(HEADER, expressions=("../../etc", "dog", "dog", "///", "\x1b[2J"))
    names = [output.name for output in chosen_masks(header, FormatOptions(each=True))]
    assert names == ["01-etc", "02-dog", "03-dog", "04-thing", "05-2J"]
