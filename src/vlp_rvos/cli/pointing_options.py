"""Read what `--point` and `--mask` say."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from vlp_rvos.errors import UserError
from vlp_rvos.inference.pointing import DEFAULT_NAME, DrawnMask, Point
from vlp_rvos.utils.plain_text import short_repr

__all__ = ["parse_points", "read_drawn_masks"]

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
TIME = rf"(?:@(?P<time>{NUMBER}))?"
POINT = re.compile(rf"(?:(?P<name>.*)=)?(?P<exclude>not:)?(?P<x>{NUMBER}),(?P<y>{NUMBER}){TIME}", re.DOTALL)
MASK = re.compile(rf"(?P<file>.+?){TIME}", re.DOTALL)
FORM = "[NAME=][not:]X,Y[@SECONDS], for example 120,80@1.5, 'cup=120,80' or 'cup=not:90,40'"
#: Object id that marks void in masks of DAVIS, which is no thing.
VOID = 255


def parse_points(texts: Iterable[str]) -> list[Point]:
    """The points of `--point`, of the form `[NAME=][not:]X,Y[@SECONDS]`.

    Raises:
        UserError: a text has another form, or a number is out of its range.
    """
    points = []
    for text in texts:
        match = POINT.fullmatch(text.strip())
        if match is None:
            _wrong(text)
        name = DEFAULT_NAME if match["name"] is None else match["name"].strip()
        time = float(match["time"] or 0)
        points.append(Point(float(match["x"]), float(match["y"]), time, not match["exclude"], name))
    return points


def read_drawn_masks(texts: Iterable[str]) -> list[DrawnMask]:
    """The masks of `--mask`, of the form `FILE[@SECONDS]`: each id of the picture is a thing, called "thing ID".

    Raises:
        UserError: a file cannot be read as a mask, or has no thing in it.
    """
    from vlp_rvos.media.image_files import read_object_ids

    masks = []
    for text in texts:
        match = MASK.fullmatch(text)
        if match is None:
            raise UserError("--mask: name a PNG file, for example 'cup.png@1.5'")
        path = Path(match["file"])
        ids = read_object_ids(path)
        things = sorted({int(number) for number in set(ids.ravel().tolist())} - {0, VOID})
        if not things:
            raise UserError(f"--mask {path}: no thing is drawn in it; draw it in white, or with an id of its own")
        masks += [DrawnMask(ids == thing, float(match["time"] or 0), f"thing {thing}") for thing in things]
    return masks


def _wrong(text: str) -> NoReturn:
    raise UserError(f"--point {short_repr(text)}: give it as {FORM}")
