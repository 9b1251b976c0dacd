"""Ranges, and that every number of every record of settings has one."""

from __future__ import annotations

import math
import types
from dataclasses import dataclass, fields
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest

from vlp_rvos.data.mixture_config import MixtureConfig, Source
from vlp_rvos.errors import UserError
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.pretraining.align_config import AlignConfig
from vlp_rvos.training.ablation_config import AblationConfig, AblationRow
from vlp_rvos.training.losses import LossWeights
from vlp_rvos.training.train_config import ModelChoice, Schedule, Stage, TrainConfig
from vlp_rvos.utils.ranges import MAX_SEED, SHARE, Range, check_ranges

STAGE = {"until": 1.0, "height": 64, "width": 64, "clip_length": 2}
ROWS = (AblationRow("full", "full"),)
RECORDS: list[tuple[type[Any], dict[str, Any]]] = [
    (ModelConfig, {}),
    (InferenceOptions, {}),
    (MixtureConfig, {}),
    (Source, {"kind": "videos", "folder": "x"}),
    (TrainConfig, {}),
    (Schedule, {}),
    (Stage, STAGE),
    (LossWeights, {}),
    (ModelChoice, {}),
    (AlignConfig, {}),
    (AblationConfig, {"base": "mini", "rows": ROWS}),
]


@dataclass
class Settings:
    share: Annotated[float, SHARE] = 0.5
    count: Annotated[int, Range(1, 10)] | None = None
    points: tuple[Annotated[float, Range(0, 1, above_low=True, below_high=True)], ...] = ()
    name: str = "x"

    def __post_init__(self) -> None:
        check_ranges(self)


@pytest.mark.parametrize(
    "values", [{}, {"share": 0}, {"share": 1}, {"count": 1}, {"count": 10}, {"points": (0.1, 0.9)}, {"points": ()}]
)
def test_inside(values: dict[str, Any]) -> None:
    Settings(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": -0.1}, "share must be from 0 to 1, not -0.1"),
        ({"share": math.nan}, "share must be from 0 to 1, not nan"),
        ({"share": math.inf}, "share must be from 0 to 1, not inf"),
        ({"count": 0}, "count must be from 1 to 10, not 0"),
        ({"count": 10**30}, "count must be from 1 to 10, not 1" + "0" * 30),
        ({"points": (0.5, 1.0)}, "points must be greater than 0 and less than 1, not 1"),
    ],
)
def test_outside(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        Settings(**values)
    assert str(caught.value) == message


def test_the_error_can_be_chosen() -> None:
    with pytest.raises(UserError, match="size must be at least 0 and less than 1, not 1"):
        Range(0, 1, below_high=True).check("size", 1, UserError)


def ranges_of(hint: Any) -> tuple[bool, list[Range]]:
    """Whether a type has numbers, and the ranges that it states for them."""
    if get_origin(hint) is Annotated:
        return True, [mark for mark in get_args(hint)[1:] if isinstance(mark, Range)]
    if hint in (int, float):
        return True, []
    if get_origin(hint) in (Union, types.UnionType, tuple):
        parts = [ranges_of(part) for part in get_args(hint)]
        return any(numeric for numeric, _ in parts), [found for _, ranges in parts for found in ranges]
    return False, []


NUMBERS = [
    (kind, values, field.name, *ranges)
    for kind, values in RECORDS
    for field in fields(kind)
    for numeric, ranges in [ranges_of(get_type_hints(kind, include_extras=True)[field.name])]
    if numeric
]


def test_records_have_numbers() -> None:
    assert {kind for kind, *_ in NUMBERS} == {kind for kind, _ in RECORDS} - {ModelChoice}


@pytest.mark.parametrize(
    ("kind", "values", "name", "limits"), NUMBERS, ids=[f"{x[0].__name__}.{x[2]}" for x in NUMBERS]
)
def test_every_number_has_a_range(kind: type[Any], values: dict[str, Any], name: str, limits: Range) -> None:
    listed = get_origin(get_type_hints(kind)[name]) is tuple
    for value in (limits.low - 1, limits.high + 1, math.nan, math.inf, -math.inf, 10**30):
        with pytest.raises(ValueError, match=f"^{name} must be"):
            kind(**values | {name: (value,) if listed else value})


def test_seeds_are_small_enough_for_every_generator() -> None:
    import numpy as np
    import torch

    np.random.default_rng([MAX_SEED, 1])
    torch.manual_seed((MAX_SEED * 1_000_003 + 10**9) * 1024 + 1023)
