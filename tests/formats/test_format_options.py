"""Options of formats: which are allowed, and which format heeds them."""

from __future__ import annotations

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.formats.format_names import FORMATS
from vlp_rvos.formats.format_options import FormatOptions, blurred_part


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vector": True}, "has no option --vector; it is for label-studio"),
        ({"blur": "rest"}, "has no option --blur"),
        ({"each": True}, "has no option --each"),
        ({"colour": "white"}, "has no option --colour"),
    ],
)
def test_an_option_that_a_format_does_not_heed_is_refused(options: dict[str, bool], message: str) -> None:
    with pytest.raises(UserError, match=message):
        FormatOptions(**options).check("coco")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FORMATS)
def test_defaults_and_own_options_are_taken(name: str) -> None:
    others = {"each": True, "vector": True, "blur": "rest", "colour": "white"}
    FormatOptions().check(name)
    FormatOptions(**{key: others[key] for key in FORMATS[name].options}).check(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"blur": "both"}, {"colour": "no colour"}, {"colour": "#12"}, {"colour": ""}])
def test_bad_values(options: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"blur must be one of|is not a colour"):
        FormatOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("colour", "rgb"), [("white", (255, 255, 255)), ("#00b140", (0, 177, 64)), ("#00b14080", (0, 177, 64))]
)
def test_colours(colour: str, rgb: tuple[int, int, int]) -> None:
    assert FormatOptions(colour=colour).rgb == rgb


def test_the_blurred_part() -> None:
    assert [blurred_part(text) for text in ("thing", "rest")] == ["thing", "rest"]
    with pytest.raises(UserError, match="blur must be one of thing, rest, not 'Thing'"):
        blurred_part("Thing")


def test_an_unknown_format() -> None:
    with pytest.raises(UserError, match=r"unknown format 'xml'; known are davis, .*remove-background"):
        FormatOptions().check("xml")
