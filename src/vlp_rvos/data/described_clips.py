"""Samples with what people say of a picture: the picture, still or under a moving camera, and several expressions.

Shapes: F frames of (H, W) pixels, E expressions. All of it is our decision [D]; `docs/method.md` explains the mark.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from vlp_rvos.data.outlined_pictures import LoadedPicture, OutlinedPicture, mirrored_text
from vlp_rvos.data.picture_views import draw_variant
from vlp_rvos.data.sources.described_pictures import PictureExpression
from vlp_rvos.data.synthesis.camera import Camera, apply_camera, draw_camera
from vlp_rvos.data.synthesis.label_maps import LabelMap, Pixels, combine_masks, mask_of
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.data.synthesis.stills import place_on_ground

__all__ = ["draw_described_clip"]

#: Smallest part of the picture that a moving camera shows: what is said of places must stay true.
SMALLEST_PART = 0.9


def draw_described_clip(
    pictures: Sequence[OutlinedPicture],
    frames: int,
    size: tuple[int, int],
    count: int,
    absent: float,
    rng: np.random.Generator,
) -> Sample:
    """Draw a picture of which people say something, and some of what they say.

    The picture is mirrored half of the time, and shown whole, with other margins and slightly other colours. More than
    one frame shows it through a camera that moves a little.

    Args:
        pictures: The pictures, each with at least one expression that is true of something.
        frames: Number of frames F.
        size: (H, W) of the frames.
        count: Largest number of expressions.
        absent: Share of the expressions that refer to nothing, as far as the picture has such.
        rng: Source of all choices.

    Raises:
        UserError: A file is missing or broken.
    """
    picture = pictures[int(rng.integers(len(pictures)))]
    loaded, expressions = picture.load(), list(picture.expressions)
    if rng.random() < 0.5:
        loaded, expressions = loaded.mirrored(), mirrored_text(expressions)
    loaded = draw_variant(loaded, rng)
    pixels, labels, of_thing = _on_ground(loaded, size[1] / size[0], rng)
    camera = (
        draw_camera(labels.shape, size, frames, rng, zoom=(SMALLEST_PART, 1.0)) if frames > 1 else _whole(labels, size)
    )
    moved, moved_labels = apply_camera(pixels, labels, camera)
    chosen = _draw_expressions(expressions, count, absent, rng)
    masks = np.stack(
        [mask_of(moved_labels, set().union(*(of_thing.get(i, set()) for i in x.thing_ids))) for x in chosen]
    )
    kinds = ["absent" if not x.thing_ids else "still" if len(x.thing_ids) == 1 else "several" for x in chosen]
    planes = moved.add(0.5).clamp_(0, 255).to(torch.uint8)
    return Sample(planes, [x.text for x in chosen], torch.from_numpy(masks), kinds)


def _draw_expressions(
    expressions: Sequence[PictureExpression], count: int, absent: float, rng: np.random.Generator
) -> list[PictureExpression]:
    """Draw expressions with different texts; the first is true of something, and the others often of something else."""
    order = [expressions[k] for k in rng.permutation(len(expressions))]
    true, false = [x for x in order if x.thing_ids], [x for x in order if not x.thing_ids]
    chosen = [true.pop(0)]
    while len(chosen) < count and (true or false):
        others = false if false and (not true or rng.random() < absent) else true
        new = [k for k, x in enumerate(others) if all(x.thing_ids != y.thing_ids for y in chosen)]
        drawn = others.pop(new[0] if new and others is true else 0)
        if all(drawn.text != x.text for x in chosen):
            chosen.append(drawn)
    return chosen


def _on_ground(
    picture: LoadedPicture, aspect: float, rng: np.random.Generator
) -> tuple[Pixels, LabelMap, dict[str, set[int]]]:
    """Place a whole picture on a blurred ground of its own colours, which has the aspect ratio `aspect` (W / H).

    Returns:
        The pixels, their label map, and the labels of each thing by its id.
    """
    h, w = picture.masks.shape[1:]
    height, width = (h, round(h * aspect)) if w / h < aspect else (round(w / aspect), w)
    height, width = max(h, height), max(w, width)
    inside, sets = combine_masks(list(picture.masks), (h, w))
    pixels, labels = place_on_ground(picture.pixels, inside, (height, width), rng)
    return pixels, labels, dict(zip(picture.ids, sets, strict=True))


def _whole(labels: LabelMap, size: tuple[int, int]) -> Camera:
    """A camera that shows all of a picture in one frame, whose aspect ratio is that of the picture up to rounding."""
    height, width = labels.shape
    scale = min(height / size[0], width / size[1])
    return Camera(np.array([[width / 2, height / 2]]), np.array([scale]), np.zeros(1), size)
