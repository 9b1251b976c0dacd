"""Joins pictures side by side, so that things which differ in their looks alone stand in one picture. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. A photograph of one person, however well its clothes
are outlined, does not teach which of several people is meant; three such photographs side by side do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from vlp_rvos.data.synthesis.label_maps import LabelMap, Pixels, find_bounds
from vlp_rvos.data.synthesis.scene_clip import LabelledObject
from vlp_rvos.data.synthesis.stills import Still, blurred_ground

__all__ = ["join_stills"]

#: height of the joined picture, in pixels
HEIGHT = 448
#: Share of the pictures that are less high than the joined one, and the lowest height, as a share.
LOWER_SHARE, LOWEST = 0.7, 0.7
#: Largest share of what is beside the outlined things of a picture that is cut off, on either side.
LARGEST_CUT = 0.9
#: How often people may be told apart by nothing but their clothes, and how often clothes are spoken of themselves.
BY_CLOTHES, CLOTHES = 0.6, 0.25


def join_stills(stills: Sequence[Still], rng: np.random.Generator, height: int = HEIGHT) -> Still:
    """Join pictures side by side.

    What is beside the outlined things of a picture is cut off in part, and the pictures get different heights.

    Args:
        stills: The pictures, from left to right.
        rng: Source of all choices.
        height: Height of the joined picture in pixels.

    Returns:
        The joined picture, with the objects of all of them.
    """
    parts: list[tuple[Pixels, LabelMap]] = []
    objects: list[LabelledObject] = []
    last_label = 0
    for still in stills:
        part = _scale(_cut(still, rng), height, rng)
        first, spoken_of = len(objects), rng.random() < CLOTHES
        for obj in still.objects:
            moved = replace(obj, labels={label + last_label for label in obj.labels})
            if obj.owner is not None:
                moved = replace(moved, owner=obj.owner + first, referable=obj.referable and spoken_of)
            elif obj.clothes_known and rng.random() < BY_CLOTHES:
                moved = replace(moved, told_by="clothing")
            objects.append(moved)
        parts.append((part.pixels, np.where(part.labels, part.labels + last_label, 0).astype(np.int16)))
        # Labels that were lost in scaling count too: otherwise they would be those of the next picture.
        last_label += int(still.labels.max(initial=0))
    pixels, labels = (np.concatenate(arrays, 1) for arrays in zip(*parts, strict=True))
    nouns = [noun for noun in stills[0].absent_nouns if all(noun in still.absent_nouns for still in stills)]
    return Still(pixels, labels, objects, tuple(nouns))


def _cut(still: Still, rng: np.random.Generator) -> Still:
    """The columns of a picture that show something outlined, and some beside them."""
    width, bounds = still.labels.shape[1], find_bounds(still.labels > 0)
    left, right = (bounds.left, bounds.right) if bounds else (0, width)
    left -= round(left * rng.uniform(1 - LARGEST_CUT, 1))
    right += round((width - right) * rng.uniform(1 - LARGEST_CUT, 1))
    return replace(still, pixels=np.ascontiguousarray(still.pixels[:, left:right]), labels=still.labels[:, left:right])


def _scale(still: Still, height: int, rng: np.random.Generator) -> Still:
    """Scale a picture to at most `height`, and fill up with a ground of its own colours."""
    scaled = round(height * (rng.uniform(LOWEST, 1) if rng.random() < LOWER_SHARE else 1))
    old_h, old_w = still.labels.shape
    width, top = max(1, round(old_w * scaled / old_h)), int(rng.integers(height - scaled + 1))
    pixels = blurred_ground(still.pixels, (height, width))
    picture = Image.fromarray(still.pixels).resize((width, scaled), Image.Resampling.BILINEAR)
    pixels[top : top + scaled] = np.asarray(picture)
    rows = ((np.arange(scaled) + 0.5) * old_h / scaled).astype(int)
    columns = ((np.arange(width) + 0.5) * old_w / width).astype(int)
    labels = np.zeros((height, width), np.int16)
    labels[top : top + scaled] = still.labels[rows][:, columns]
    return replace(still, pixels=pixels, labels=labels)
