"""Joins pictures side by side, so that things which differ in their looks alone stand in one picture. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. A photograph of one person, however well its clothes
are outlined, does not teach which of several people is meant; three such photographs side by side do. Shapes: N things
of a picture, (h, w) pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from vlp_rvos.data.synthesis.label_maps import LabelMap, Mask, Pixels, find_bounds
from vlp_rvos.data.synthesis.scene_clip import LabelledObject
from vlp_rvos.data.synthesis.stills import Still

__all__ = ["join_stills"]

#: height of the joined picture, in pixels
HEIGHT = 448
#: Share of the pictures that are less high than the joined one, and the lowest height, as a share.
LOWER_SHARE, LOWEST = 0.7, 0.7
#: Largest share of what is beside the outlined things of a picture that is cut off, on either side.
LARGEST_CUT = 0.9
#: How often people may be told apart by nothing but their clothes, and how often clothes are spoken of themselves.
BY_CLOTHES, CLOTHES = 0.6, 0.25


def join_stills(
    stills: Sequence[Still], masks: Sequence[Mask], rng: np.random.Generator, height: int = HEIGHT
) -> tuple[Still, Mask]:
    """Join pictures side by side.

    What is beside the outlined things of a picture is cut off in part, and the pictures get different heights.

    Args:
        stills: The pictures, from left to right.
        masks: (N_i, h_i, w_i) outlines of the things of each, in the order of its objects.
        rng: Source of all choices.
        height: Height of the joined picture in pixels.

    Returns:
        The joined picture, with the objects of all of them, and the outlines (N, height, w) of all.
    """
    parts, outlines, first_label = [], [], 0
    objects: list[LabelledObject] = []
    for still, mask in zip(stills, masks, strict=True):
        part, outline = _scale(*_cut(still, mask, rng), height, rng)
        first, spoken_of = len(objects), rng.random() < CLOTHES
        for obj in still.objects:
            moved = replace(obj, labels={label + first_label for label in obj.labels})
            if obj.owner is not None:
                moved = replace(moved, owner=obj.owner + first, referable=obj.referable and spoken_of)
            elif obj.clothes_known and rng.random() < BY_CLOTHES:
                moved = replace(moved, told_by="clothing")
            objects.append(moved)
        parts.append((part.pixels, np.where(part.labels, part.labels + first_label, 0).astype(np.int16)))
        outlines.append(outline)
        first_label += int(part.labels.max(initial=0))
    joined = np.zeros((len(objects), height, sum(outline.shape[2] for outline in outlines)), bool)
    row = left = 0
    for outline in outlines:
        joined[row : row + len(outline), :, left : left + outline.shape[2]] = outline
        row, left = row + len(outline), left + outline.shape[2]
    pixels, labels = (np.concatenate(arrays, 1) for arrays in zip(*parts, strict=True))
    nouns = [noun for noun in stills[0].absent_nouns if all(noun in still.absent_nouns for still in stills)]
    return Still(pixels, labels, objects, tuple(nouns)), joined


def _cut(still: Still, masks: Mask, rng: np.random.Generator) -> tuple[Still, Mask]:
    """The columns of a picture that show something outlined, and some beside them."""
    width, bounds = still.labels.shape[1], find_bounds(masks)
    left, right = (bounds.left, bounds.right) if bounds else (0, width)
    left -= round(left * rng.uniform(1 - LARGEST_CUT, 1))
    right += round((width - right) * rng.uniform(1 - LARGEST_CUT, 1))
    pixels, labels = still.pixels[:, left:right], still.labels[:, left:right]
    return replace(still, pixels=pixels, labels=labels), masks[:, :, left:right]


def _scale(still: Still, masks: Mask, height: int, rng: np.random.Generator) -> tuple[Still, Mask]:
    """Scale a picture to at most `height`, and fill up with a ground of its own colours."""
    scaled = round(height * (rng.uniform(LOWEST, 1) if rng.random() < LOWER_SHARE else 1))
    old_h, old_w = still.labels.shape
    width, top = max(1, round(old_w * scaled / old_h)), int(rng.integers(height - scaled + 1))
    picture = Image.fromarray(np.ascontiguousarray(still.pixels))
    tiny = picture.resize((6, 6), Image.Resampling.BOX)
    ground: Pixels = np.array(tiny.resize((width, height), Image.Resampling.BICUBIC))
    ground[top : top + scaled] = np.asarray(picture.resize((width, scaled), Image.Resampling.BILINEAR))
    rows = ((np.arange(scaled) + 0.5) * old_h / scaled).astype(int)
    columns = ((np.arange(width) + 0.5) * old_w / width).astype(int)
    labels: LabelMap = np.zeros((height, width), np.int16)
    labels[top : top + scaled] = still.labels[rows][:, columns]
    outlines = np.zeros((len(masks), height, width), bool)
    outlines[:, top : top + scaled] = masks[:, rows][:, :, columns]
    return replace(still, pixels=ground, labels=labels), outlines
