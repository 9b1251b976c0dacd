"""How an overlay looks: the colours of masks, their fill and outline, and where the expressions stand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from vlp_rvos.errors import UserError
from vlp_rvos.utils.plain_text import short_repr

if TYPE_CHECKING:
    # Importing NumPy takes longer than the command line needs to start.
    import numpy as np
    import numpy.typing as npt

__all__ = ["Colour", "Drawing", "LegendPlace", "OverlayStyle", "parse_colour"]

#: What is drawn of a mask.
Drawing = Literal["fill", "outline", "both"]
#: Where the expressions stand: on the picture, in a strip below it, or nowhere.
LegendPlace = Literal["inside", "below", "none"]
#: Red, green and blue, 0 to 255 each.
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class OverlayStyle:
    """How an overlay looks.

    Attributes:
        drawing: what is drawn of a mask.
        legend: where the expressions stand.
        colours: colours of the first expressions, in their order.
        named_colours: expression -> its colour; it comes before `colours`. All other expressions get bright colours
            that differ.

    Raises:
        UserError: `drawing` or `legend` is unknown.
    """

    drawing: Drawing = "both"
    legend: LegendPlace = "inside"
    colours: Sequence[Colour] = ()
    named_colours: Mapping[str, Colour] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, known in (("style", self.drawing, Drawing), ("legend", self.legend, LegendPlace)):
            if value not in get_args(known):
                raise UserError(f"unknown {name} {short_repr(value)}: choose one of {', '.join(get_args(known))}")

    def check(self, expressions: Sequence[str]) -> None:
        """Check that the colours fit the expressions.

        Raises:
            UserError: a colour is for an expression that there is none of.
        """
        if len(self.colours) > len(expressions):
            raise UserError(f"{len(self.colours)} colours for {len(expressions)} expression(s): leave some out")
        for name in self.named_colours:
            if name not in expressions:
                raise UserError(f"a colour for {short_repr(name)}, which is not one of the expressions")

    def apply(self, expressions: Sequence[str], usual: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The colours of E expressions.

        Args:
            expressions: the E expressions.
            usual: (E, 3) uint8 RGB, for those without a colour of their own.

        Returns:
            (E, 3) uint8 RGB.
        """
        chosen = usual.copy()
        for i, colour in enumerate(self.colours[: len(expressions)]):
            chosen[i] = colour
        for i, expression in enumerate(expressions):
            chosen[i] = self.named_colours.get(expression, chosen[i])
        return chosen


def parse_colour(text: str) -> Colour:
    """Read a colour as web pages write it, `#rrggbb` or `#rgb`.

    Raises:
        UserError: it is something else.
    """
    digits = text.strip().removeprefix("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    if not re.fullmatch("[0-9a-fA-F]{6}", digits):
        raise UserError(f"{short_repr(text)} is no colour: write it as #rrggbb, for example #ff8800")
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue
