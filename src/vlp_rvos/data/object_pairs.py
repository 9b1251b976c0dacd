"""Clips with two pasted objects, each named by an expression of its own: does a model follow the words?

A model that segments whatever stands out, and ignores the words, is right about half of them. The clips are made from
the held-out part of a mixture, which no training has seen. `docs/method.md` section 5 [D: our decision; that page
explains the marks]. Shapes: F frames, (H, W) pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vlp_rvos.data.language.nouns import names_of
from vlp_rvos.data.mixture import Mixture
from vlp_rvos.data.synthesis.camera import apply_camera, draw_camera
from vlp_rvos.data.synthesis.label_maps import mask_of
from vlp_rvos.data.synthesis.motion_paths import ObjectPath, draw_path
from vlp_rvos.data.synthesis.pasting import paste_cutout
from vlp_rvos.data.synthesis.scene_clip import SceneClip
from vlp_rvos.errors import UserError

__all__ = ["PAIR_KINDS", "ObjectPair", "category_pair", "motion_pair"]

_MAX_ATTEMPTS = 200
_MIN_AREA = 0.008
"""Smallest mean area of an object, as a share of the frame."""
_MIN_VISIBLE = 0.5
"""Smallest area of an object in any frame, as a share of its median area."""
_MIN_SHIFT = 0.3
"""Shortest way that an object moves left or right, as a share of the frame's width."""


@dataclass(frozen=True)
class ObjectPair:
    """One clip with two objects.

    Attributes:
        frames: the clip, (F, H, W, 3) uint8 RGB.
        expressions: an expression for the first object, and one for the second.
        masks: the visible part of both objects, (2, F, H, W) bool.
    """

    frames: NDArray[np.uint8]
    expressions: tuple[str, str]
    masks: NDArray[np.bool_]


def category_pair(mixture: Mixture, index: int, frames: int = 12) -> ObjectPair:
    """Two objects of different categories, pasted on a picture that shows neither category.

    The expressions are the names of the categories.

    Args:
        mixture: source of the pictures and the cut-outs; the clip has its height and width.
        index: number of the pair. The same index and the same seed of the mixture give the same pair.
        frames: number of frames F.

    Raises:
        UserError: the mixture has no two categories that can be cut out and pasted.
    """

    def choose(rng: np.random.Generator) -> _Choice:
        first, second = mixture.cutouts.draw_category(rng), mixture.cutouts.draw_category(rng)
        return _Choice((first, second), (f"the {_name(first)}", f"the {_name(second)}"), (None, None))

    return _make_pair(mixture, index, frames, 0, choose, same_category=False)


def motion_pair(mixture: Mixture, index: int, frames: int = 12) -> ObjectPair:
    """Two objects of one category that cross the picture in opposite directions.

    Only the direction of motion tells which object an expression names. Args and errors: see `category_pair`.
    """

    def choose(rng: np.random.Generator) -> _Choice:
        category = mixture.cutouts.draw_category(rng)
        left, right = (f"the {_name(category)} moving to the {direction}" for direction in ("left", "right"))
        return _Choice((category, category), (left, right), ("left", "right"))

    return _make_pair(mixture, index, frames, 1, choose, same_category=True)


PAIR_KINDS: dict[str, Callable[[Mixture, int], ObjectPair]] = {"category": category_pair, "motion": motion_pair}
"""What the two objects of a pair differ in -> the function that makes such a pair."""


@dataclass(frozen=True)
class _Choice:
    """What a pair is to show: for each object its category, its expression, and its direction if that matters."""

    categories: tuple[str, str]
    expressions: tuple[str, str]
    directions: tuple[str | None, str | None]


def _make_pair(
    mixture: Mixture,
    index: int,
    frames: int,
    kind: int,
    choose: Callable[[np.random.Generator], _Choice],
    *,
    same_category: bool,
) -> ObjectPair:
    size = mixture.config.size
    if len(mixture.cutouts.categories) < (1 if same_category else 2):
        raise UserError("object pairs need pictures with whole objects of two categories; the held-out part has none")
    for attempt in range(_MAX_ATTEMPTS):
        rng = np.random.default_rng([mixture.config.seed, 2, kind, index, attempt])
        choice = choose(rng)
        if (choice.categories[0] == choice.categories[1]) != same_category:
            continue
        clip = _background(mixture, choice.categories, frames, size, rng)
        if clip is None:
            continue
        labels: list[set[int]] = []
        for category, direction in zip(choice.categories, choice.directions, strict=True):
            cutout = mixture.cutouts.draw(category, rng, max(size))
            before = len(clip.objects)
            paste_cutout(clip, cutout, _path(frames, size, cutout.labels.shape[1:], rng, direction), None)
            labels.append({label for obj in clip.objects[before:] for label in obj.labels})
        masks = np.stack([mask_of(clip.labels, own) for own in labels])
        areas = masks.mean((2, 3))
        if (areas.mean(1) > _MIN_AREA).all() and (areas > 0).all() and _stays_visible(areas):
            pixels = clip.frames.add(0.5).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
            return ObjectPair(pixels, choice.expressions, masks)
    raise UserError("no object pair can be made: the held-out part has no pictures without the objects to paste")


def _background(
    mixture: Mixture, categories: tuple[str, str], frames: int, size: tuple[int, int], rng: np.random.Generator
) -> SceneClip | None:
    """A clip of a random picture; None if the picture shows one of the categories, or may show it."""
    stills = mixture.sources.stills
    bank = stills[int(rng.integers(len(stills)))].bank
    still = bank.load(bank.draw(rng))
    shown = {obj.category for obj in still.objects}
    # A category without a mask is known to be absent only if the picture's data set annotates that category.
    if any(category in shown or _name(category) not in still.absent_nouns for category in categories):
        return None
    moved, labels = apply_camera(still.pixels, still.labels, draw_camera(still.labels.shape, size, frames, rng))
    return SceneClip(moved, labels, still.objects, still.absent_nouns)


def _path(
    frames: int, size: tuple[int, int], shape: tuple[int, ...], rng: np.random.Generator, direction: str | None
) -> ObjectPath:
    extent = (shape[0], shape[1])
    if direction is None:
        return draw_path(frames, size, extent, rng, str(rng.choice(["still", "across", "free"])))
    while True:
        path = draw_path(frames, size, extent, rng, "across")
        if (path.motion.dx < 0) == (direction == "left") and abs(path.motion.dx) > _MIN_SHIFT:
            return path


def _stays_visible(areas: NDArray[np.float64]) -> bool:
    """Whether neither object is ever mostly hidden, by the other one or by the border. Areas: (2, F)."""
    return bool((areas.min(1) > _MIN_VISIBLE * np.median(areas, 1)).all())


def _name(category: str) -> str:
    return names_of(category)[0]
