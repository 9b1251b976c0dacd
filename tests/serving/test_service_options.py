"""The limits of the service."""

from __future__ import annotations

import math

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.serving.service_options import MAX_CHARACTERS, MAX_EXPRESSIONS, ServiceOptions, checked_expressions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("workers", 0), ("threads", 0), ("queue", -1), ("kept_videos", 0), ("frames_in_flight", 0)),
        *(("max_megabytes", 0), ("max_seconds", 0), ("timeout", math.nan), ("timeout", math.inf), ("grace", -1)),
        *(("live_seconds", 0), ("keep_seconds", -1)),
    ],
)
def test_a_value_out_of_its_range(name: str, value: float) -> None:
    with pytest.raises(UserError, match=name):
        ServiceOptions(**{name: value})  # type: ignore[arg-type]


def test_the_least_and_the_parts_of_a_megabyte() -> None:
    options = ServiceOptions(queue=0, grace=0, max_megabytes=0.0015)
    assert options.max_bytes == 1500


@pytest.mark.parametrize("texts", [[], [""], ["dog", " \n"], ["dog", "\u200d"]])
def test_no_expression_or_an_empty_one(texts: list[str]) -> None:
    with pytest.raises(UserError, match="say what to find"):
        checked_expressions(texts)


@pytest.mark.parametrize("texts", [["x"] * (MAX_EXPRESSIONS + 1), ["dog", "x" * (MAX_CHARACTERS + 1)]])
def test_too_much(texts: list[str]) -> None:
    with pytest.raises(UserError, match="at most 32 expressions of 500 characters each"):
        checked_expressions(texts)


def test_as_much_as_is_allowed() -> None:
    texts = ["x" * MAX_CHARACTERS] * MAX_EXPRESSIONS
    assert checked_expressions(texts) == texts
