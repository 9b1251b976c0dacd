from __future__ import annotations

import pytest

from vlp_rvos.cli.overlay_options import overlay_style
from vlp_rvos.errors import UserError
from vlp_rvos.media.overlay_style import OverlayStyle


def test_options_become_a_style() -> None:
    assert overlay_style() == OverlayStyle("both", "inside", [], {})
    made = overlay_style("none", "fill", "#f00, #0f0", ["a=b=#00f"])
    assert made == OverlayStyle("fill", "none", [(255, 0, 0), (0, 255, 0)], {"a=b": (0, 0, 255)})


@pytest.mark.parametrize("text", ["#f00", "=#f00", "dog", "dog="])
def test_a_colour_needs_an_expression(text: str) -> None:
    with pytest.raises(UserError, match=r"EXPRESSION=#rrggbb|is no colour"):
        overlay_style(named_colours=[text])
