from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.media.overlay import overlay_colours
from vlp_rvos.media.overlay_style import OverlayStyle, parse_colour


def test_colours_in_order_and_by_name() -> None:
    style = OverlayStyle(colours=[(1, 2, 3), (4, 5, 6)], named_colours={"b": (7, 8, 9)})
    style.check(["a", "b", "c"])
    usual = overlay_colours(3)
    assert style.apply(["a", "b", "c"], usual).tolist() == [[1, 2, 3], [7, 8, 9], usual[2].tolist()]
    assert np.array_equal(usual, overlay_colours(3))


@pytest.mark.parametrize(
    ("text", "colour"), [("#ff8000", (255, 128, 0)), ("FF8000", (255, 128, 0)), (" #f80", (255, 136, 0))]
)
def test_colours_are_read(text: str, colour: tuple[int, int, int]) -> None:
    assert parse_colour(text) == colour


@pytest.mark.parametrize("text", ["", "#", "red", "#ff80", "#ff80000", "#gggggg", "\uff11\uff11\uff11"])
def test_what_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no colour"):
        parse_colour(text)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="2 colours for 1 expression"):
        OverlayStyle(colours=[(0, 0, 0)] * 2).check(["a"])
    with pytest.raises(UserError, match="'b', which is not one"):
        OverlayStyle(named_colours={"b": (0, 0, 0)}).check(["a"])
    with pytest.raises(UserError, match="unknown legend 'left'"):
        OverlayStyle(legend="left")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="unknown style 'dots'"):
        OverlayStyle(drawing="dots")  # type: ignore[arg-type]
