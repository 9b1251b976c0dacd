"""The options that say whether an overlay is written, and how it and the plot look."""

from __future__ import annotations

from typing import Annotated

import typer

from vlp_rvos.cli.option_groups import OptionGroup
from vlp_rvos.errors import UserError
from vlp_rvos.media.overlay_style import Drawing, LegendPlace, OverlayStyle, parse_colour
from vlp_rvos.utils.plain_text import short_repr

__all__ = ["Overlay", "OverlayStyleGroup", "overlay_style"]

PANEL = "Overlay"

Overlay = Annotated[
    bool,
    typer.Option(
        "--overlay/--no-overlay",
        help="Write overlay.mp4, the video with the masks drawn on it.",
        rich_help_panel=PANEL,
    ),
]


def overlay_style(
    legend: Annotated[
        LegendPlace,
        typer.Option(help="Where the expressions stand: on the picture, in a strip below it.", rich_help_panel=PANEL),
    ] = "inside",
    style: Annotated[Drawing, typer.Option(help="What is drawn of a mask.", rich_help_panel=PANEL)] = "both",
    colours: Annotated[
        str | None,
        typer.Option(
            "--colours",
            "--colors",
            metavar="#RRGGBB,...",
            help="Colours of the first expressions, in their order; the plot has them too.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    named_colours: Annotated[
        list[str] | None,
        typer.Option(
            "--colour",
            "--color",
            metavar="EXPRESSION=#RRGGBB",
            help="Colour of one expression; repeatable.",
            rich_help_panel=PANEL,
        ),
    ] = None,
) -> OverlayStyle:
    """How the overlay looks, and the colours of the plot.

    Raises:
        UserError: something that should be a colour is none.
    """
    named = {}
    for text in named_colours or ():
        expression, equals, colour = text.rpartition("=")
        if not equals or not expression.strip():
            raise UserError(f"--colour {short_repr(text)}: write EXPRESSION=#rrggbb, for example 'the dog=#ff8800'")
        named[expression] = parse_colour(colour)
    in_order = [parse_colour(text) for text in colours.split(",")] if colours is not None else []
    return OverlayStyle(style, legend, in_order, named)


OverlayStyleGroup = Annotated[OverlayStyle, OptionGroup(overlay_style)]
