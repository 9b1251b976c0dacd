"""Gives objects that come in all colours another colour, so that no colour goes with a category."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from vlp_rvos.data.language.vocabulary import split_names
from vlp_rvos.data.synthesis.label_maps import LabelMap, Pixels, find_bounds, mask_of
from vlp_rvos.data.synthesis.scene_clip import LabelledObject

__all__ = ["recolour_objects"]

_RECOLOURABLE = split_names(
    """
    car bus truck train motorcycle bicycle boat airplane umbrella suitcase backpack handbag kite frisbee skateboard
    surfboard snowboard cup bowl vase chair couch bottle dress skirt coat jacket blazer shirt t-shirt top blouse sweater
    sweatshirt hoodie jumper cardigan pants shorts bag purse hat scarf romper cape vest leggings bench clock tie suit
    shoes boots
    """
)

# Colour name -> its range of hues, of 256.
_HUES = {
    "red": (-9, 9),
    "orange": (12, 28),
    "yellow": (32, 46),
    "green": (55, 110),
    "blue": (130, 178),
    "purple": (184, 206),
    "pink": (212, 240),
}


def recolour_objects(
    pixels: Pixels,
    labels: LabelMap,
    objects: Sequence[LabelledObject],
    rng: np.random.Generator,
    share: float = 0.35,
) -> Pixels:
    """Gives some objects another colour. All colour names that have a hue are equally likely.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        labels: (h, w) label map.
        objects: The objects.
        rng: Source of all choices.
        share: How many of the objects that come in all colours change.

    Returns:
        (h, w, 3) uint8 RGB; the input itself where nothing changes.
    """
    out = pixels
    for obj in objects:
        if obj.category not in _RECOLOURABLE or rng.random() > share:
            continue
        mask = mask_of(labels, obj.labels)
        bounds = find_bounds(mask)
        if bounds is None:
            continue
        window = bounds.window
        mask = mask[window]
        hsv = np.array(Image.fromarray(out[window]).convert("HSV"))
        inside = hsv[mask].astype(np.int32)
        name = str(rng.choice(list(_HUES)))
        hue, light = rng.integers(*_HUES[name]), name in ("orange", "yellow")
        if inside[:, 1].mean() < 60:
            # Grey and white objects have no hue to turn: tint them.
            inside[:, 0] = hue
            inside[:, 1] += rng.integers(110, 190)
            inside[:, 2] = inside[:, 2] * (0.55 if light else 0.8) + (110 if light else 40)
        else:
            # The hue of dark pixels is arbitrary: keep them close to the others.
            apart = (inside[:, 0] - round(float(np.median(inside[:, 0]))) + 128) % 256 - 128
            inside[:, 0] = hue + apart.clip(-8, 8)
            if light or rng.random() < 0.5:
                # Brown and navy are dark: other colours are mostly lighter.
                inside[:, 1] += rng.integers(20, 80)
                inside[:, 2] = inside[:, 2] * 0.65 + 90
        inside[:, 0] %= 256
        hsv[mask] = inside.clip(0, 255).astype(np.uint8)
        if out is pixels:
            out = pixels.copy()
        # Only under the mask, because the conversion to HSV and back rounds.
        out[window][mask] = np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))[mask]
    return out
