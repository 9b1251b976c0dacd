"""Colour names of pixels, and whether an object is called by one.

All thresholds are [D] (our decision; `docs/method.md` explains the marks).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.language.truth import Truth, false_if

__all__ = [
    "COLOURS",
    "COLOUR_SYNONYMS",
    "COLOUR_WEIGHTS",
    "SIMILAR_COLOURS",
    "count_colours",
    "has_colour",
    "has_two_colours",
    "phrases_of",
]

Floats = NDArray[np.float64]

COLOURS = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "beige")
# How often a false expression uses each colour, relatively. A model learns a word that is mostly wrong as absent,
# whatever it sees. Most objects are clearly not yellow and few are, so rare colours must rarely be wrong.
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
# Colours that have more than their own name.
COLOUR_SYNONYMS = {"grey": ("grey", "gray"), "purple": ("purple", "violet"), "beige": ("beige", "cream", "tan")}
# Colour -> colours that people, or shade and light, may mistake it for.
SIMILAR_COLOURS = {
    "black": ("grey", "brown"),
    "white": ("grey", "beige"),
    "grey": ("black", "white", "blue", "beige", "brown"),
    "red": ("orange", "pink", "brown"),
    "orange": ("red", "yellow", "brown", "beige"),
    "yellow": ("orange", "beige", "green"),
    "green": ("yellow", "blue", "grey"),
    "blue": ("purple", "grey", "green"),
    "purple": ("blue", "pink"),
    "pink": ("red", "purple", "beige"),
    "brown": ("orange", "red", "beige", "black", "grey"),
    "beige": ("white", "yellow", "brown", "orange", "pink", "grey"),
}


def phrases_of(colour: str) -> tuple[str, ...]:
    """The ways to say a colour: "grey" -> ("grey", "gray")."""
    return COLOUR_SYNONYMS.get(colour, (colour,))


@cache
def _names_by_rgb() -> NDArray[np.uint8]:
    """(32768,) index into COLOURS of every RGB colour with 5 bits per channel."""
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


def count_colours(pixels: NDArray[np.uint8], groups: NDArray[np.integer] | None = None, count: int = 1) -> Floats:
    """Counts the pixels of each colour name.

    Args:
        pixels: (n, 3) uint8 RGB.
        groups: (n,) group of each pixel, 0 .. count - 1; None puts all pixels into group 0.
        count: Number of groups.

    Returns:
        (count, len(COLOURS)) number of pixels for each group and colour.
    """
    wide = pixels.astype(np.int64) >> 3
    names = _names_by_rgb()[(wide[:, 0] << 10) | (wide[:, 1] << 5) | wide[:, 2]].astype(np.int64)
    if groups is not None:
        names += groups.astype(np.int64) * len(COLOURS)
    return np.bincount(names, minlength=count * len(COLOURS)).reshape(count, -1).astype(np.float64)


def has_colour(shares: Floats, name: str) -> Truth:
    """Whether an object is called by a colour name.

    Args:
        shares: (len(COLOURS),) shares of its pixels, sum 1; all zeros where unknown.
        name: One of `COLOURS`.
    """
    if shares.sum() < 0.5:
        return None
    own, similar = shares[COLOURS.index(name)], _similar_share(shares, name)
    others = np.delete(shares, COLOURS.index(name))
    if own >= 0.5 and others.max() <= 0.28:
        return True
    # White objects are grey where they lie in shade.
    if name == "white" and own >= 0.3 and own + shares[COLOURS.index("grey")] >= 0.85:
        return True
    return false_if(own <= 0.08 and own + similar <= 0.3)


def has_two_colours(shares: Floats, first: str, second: str) -> Truth:
    """Whether an object is called by two colour names together, as in "red and white".

    Args:
        shares: (len(COLOURS),) shares of its pixels, sum 1; all zeros where unknown.
        first, second: Two of `COLOURS`.
    """
    if shares.sum() < 0.5:
        return None
    a, b = shares[COLOURS.index(first)], shares[COLOURS.index(second)]
    if min(a, b) >= 0.27 and a + b >= 0.75:
        return True
    return false_if(
        any(share <= 0.04 and share + _similar_share(shares, name) <= 0.2 for name, share in ((first, a), (second, b)))
    )


def _similar_share(shares: Floats, name: str) -> float:
    return float(sum(shares[COLOURS.index(other)] for other in SIMILAR_COLOURS[name]))
