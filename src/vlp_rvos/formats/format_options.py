"""Options of formats, and the check that a format heeds those that are given."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, cast, get_args

from PIL import ImageColor

from vlp_rvos.errors import UserError
from vlp_rvos.formats.format_names import FORMATS
from vlp_rvos.utils.plain_text import short_repr

__all__ = ["Blurred", "FormatOptions", "blurred_part"]

#: What is blurred: the things that the expressions mean, or everything else.
Blurred = Literal["thing", "rest"]


@dataclass(frozen=True)
class FormatOptions:
    """What can be chosen about a format. Each format heeds some of them, see `FormatEntry.options`.

    Attributes:
        each: One output for each expression, instead of one for all together.
        vector: Outlines instead of rectangles.
        blur: What is blurred.
        colour: The new colour of the background: a name or a code of HTML, such as "white" or "#00b140".

    Raises:
        UserError: A value is none of those that are allowed.
    """

    each: bool = False
    vector: bool = False
    blur: Blurred = "thing"
    colour: str = "#00b140"

    def __post_init__(self) -> None:
        blurred_part(self.blur)
        _ = self.rgb

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as RGB, each 0 to 255."""
        try:
            red, green, blue, *_ = ImageColor.getrgb(self.colour)
        except ValueError:
            raise UserError(
                f"{short_repr(self.colour)} is not a colour: give a name such as white, or a code such as #00b140"
            ) from None
        return red, green, blue

    def check(self, name: str) -> None:
        """Check that a format heeds all options that differ from their defaults.

        Args:
            name: Name of the format.

        Raises:
            UserError: There is no such format, or it does not heed an option.
        """
        if name not in FORMATS:
            raise UserError(f"unknown format {short_repr(name)}; known are {', '.join(FORMATS)}")
        for field in fields(self):
            if getattr(self, field.name) != field.default and field.name not in FORMATS[name].options:
                takers = ", ".join(other for other, entry in FORMATS.items() if field.name in entry.options)
                raise UserError(f"the format {name} has no option --{field.name}; it is for {takers}")


def blurred_part(text: str) -> Blurred:
    """What is blurred, from text.

    Raises:
        UserError: The text is neither "thing" nor "rest".
    """
    if text not in get_args(Blurred):
        raise UserError(f"blur must be one of {', '.join(get_args(Blurred))}, not {short_repr(text)}")
    return cast(Blurred, text)
