"""Colour names of pixels, and whether a thing is called by one."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COLOURS",
    "COLOUR_WEIGHTS",
    "NEAR_COLOURS",
    "SPOKEN_COLOURS",
    "colour_shares",
    "has_colour",
    "has_two_colours",
]

Floats = NDArray[np.float64]

COLOURS = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige")
#: how eagerly a colour is said of what does not have it. Chosen so that in training no colour is more often wrong than
#: right (most things clearly are not yellow, and few are): a word that is mostly wrong is learned as absent, always.
COLOUR_WEIGHTS = {
    "black": 2.0,
    "white": 0.3,
    "grey": 0.8,
    "red": 0.08,
    "orange": 0.06,
    "yellow": 0.08,
    "green": 0.15,
    "blue": 0.6,
    "purple": 0.06,
    "pink": 0.08,
    "brown": 1.0,
    "beige": 0.03,
}
SPOKEN_COLOURS = {"grey": ("grey", "gray"), "purple": ("purple", "violet"), "beige": ("beige", "cream", "tan")}
NEAR_COLOURS = {
    "black": "grey brown",
    "white": "grey beige",
    "grey": "black white blue beige brown",
    "red": "orange pink brown",
    "orange": "red yellow brown beige",
    "yellow": "orange beige green",
    "green": "yellow blue grey",
    "blue": "purple grey green",
    "purple": "blue pink",
    "pink": "red purple beige",
    "brown": "orange red beige black grey",
    "beige": "white yellow brown orange pink grey",
}


@cache
def _colour_table() -> NDArray[np.uint8]:
    """(32768,) index into COLOURS of every RGB value cut to 5 bits per channel."""
    levels = (np.arange(32, dtype=np.float64) + 0.5) / 32
    r, g, b = (channel.ravel() for channel in np.meshgrid(levels, levels, levels, indexing="ij"))
    value, low = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    chroma = value - low
    saturation = chroma / value
    safe = np.where(chroma == 0, 1, chroma)
    hue = (
        np.select([value == r, value == g], [((g - b) / safe) % 6, (b - r) / safe + 2], default=(r - g) / safe + 4) * 60
    )
    hue = np.where(chroma == 0, 0, hue)
    names = np.select(
        [hue < 14, hue < 42, hue < 68, hue < 165, hue < 255, hue < 292, hue < 342],
        [COLOURS.index(name) for name in ("red", "orange", "yellow", "green", "blue", "purple", "pink")],
        default=COLOURS.index("red"),
    )
    warm = (hue < 48) | (hue >= 345)
    names = np.where(
        warm & (hue >= 8) & (hue < 48) & (value < 0.65) & (saturation > 0.2), COLOURS.index("brown"), names
    )
    names = np.where(warm & (hue < 8) & (value < 0.35), COLOURS.index("brown"), names)
    names = np.where(warm & (saturation < 0.45) & (value >= 0.7), COLOURS.index("beige"), names)
    names = np.where(
        ((hue < 8) | (hue >= 325)) & (saturation >= 0.18) & (saturation < 0.55) & (value >= 0.72),
        COLOURS.index("pink"),
        names,
    )
    grey = (saturation < 0.13) | (chroma < 0.06) | ((saturation < 0.2) & (value < 0.45))
    names = np.where(grey, COLOURS.index("grey"), names)
    names = np.where((saturation < 0.13) & (value > 0.8), COLOURS.index("white"), names)
    names = np.where((value < 0.2) | ((value < 0.27) & (saturation < 0.4)), COLOURS.index("black"), names)
    return names.astype(np.uint8)


def colour_shares(pixels: NDArray[np.uint8], groups: NDArray[np.integer] | None = None, count: int = 1) -> Floats:
    """How much of each group of pixels has which colour name.

    Args:
        pixels: (n, 3) uint8 RGB.
        groups: (n,) group of each pixel, 0 .. count - 1; None puts all into group 0.
        count: number of groups.

    Returns:
        (count, len(COLOURS)) pixel counts per colour name, not normalised.
    """
    wide = pixels.astype(np.int64) >> 3
    names = _colour_table()[(wide[:, 0] << 10) | (wide[:, 1] << 5) | wide[:, 2]].astype(np.int64)
    if groups is not None:
        names += groups.astype(np.int64) * len(COLOURS)
    return np.bincount(names, minlength=count * len(COLOURS)).reshape(count, -1).astype(np.float64)


def has_colour(shares: Floats, name: str) -> bool | None:
    """Whether a thing with these colour shares (sum 1, or all 0 when unknown) is called by the colour name."""
    own = shares[COLOURS.index(name)]
    near = sum(shares[COLOURS.index(other)] for other in NEAR_COLOURS[name].split())
    if shares.sum() < 0.5:
        return None
    others = np.delete(shares, COLOURS.index(name))
    if own >= 0.5 and others.max() <= 0.28:
        return True
    # White things are grey where they are in the shade.
    if name == "white" and own >= 0.3 and own + shares[COLOURS.index("grey")] >= 0.85:
        return True
    if own <= 0.08 and own + near <= 0.3:
        return False
    return None


def has_two_colours(shares: Floats, first: str, second: str) -> bool | None:
    a, b = shares[COLOURS.index(first)], shares[COLOURS.index(second)]
    if shares.sum() < 0.5:
        return None
    if min(a, b) >= 0.27 and a + b >= 0.75:
        return True
    for name, share in ((first, a), (second, b)):
        near = sum(shares[COLOURS.index(other)] for other in NEAR_COLOURS[name].split())
        if share <= 0.04 and share + near <= 0.2:
            return False
    return None
