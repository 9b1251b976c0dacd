"""Clips with two pasted things, of which an expression names one: do words decide, or only what stands out?

`docs/method.md` section 5 [D]. The clips are made from the held-out part of a mixture, so that a model trained on the
rest can be asked. Shapes: F frames, (H, W) pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vlp_rvos.data.language.vocabulary import CATEGORY_NAMES
from vlp_rvos.data.mixture import Mixture
from vlp_rvos.data.synthesis.pseudo_clips import PastePath, affine_clip, paste, random_camera, random_path
from vlp_rvos.data.synthesis.scenes import SceneClip
from vlp_rvos.errors import UserError

__all__ = ["PAIR_KINDS", "Pair", "category_pair", "motion_pair"]

_TRIES = 200
_LEAST_AREA = 0.008
_LEAST_SHARE_VISIBLE = 0.5


@dataclass(frozen=True)
class Pair:
    """One clip with two things.

    Attributes:
        frames: (F, H, W, 3) uint8 RGB.
        expressions: what names the first thing, and what names the second.
        masks: (2, F, H, W) bool.
    """

    frames: NDArray[np.uint8]
    expressions: tuple[str, str]
    masks: NDArray[np.bool_]


def category_pair(mixture: Mixture, index: int, frames: int = 12) -> Pair:
    """Two things of different categories on a picture that shows neither; the expressions are their names.

    Args:
        mixture: whose stills and cut-outs are used, at its height and width.
        index: the pair is a function of it and of the mixture's seed.
        frames: F.

    Raises:
        UserError: the mixture has no two categories that can be cut out and pasted.
    """

    def choose(rng: np.random.Generator) -> tuple[tuple[str, str], tuple[str, str], tuple[str | None, str | None]]:
        first, second = mixture.cutouts.draw_category(rng), mixture.cutouts.draw_category(rng)
        names = _name(first), _name(second)
        return (first, second), (f"the {names[0]}", f"the {names[1]}"), (None, None)

    return _pair(mixture, index, frames, 0, choose, alike=False)


def motion_pair(mixture: Mixture, index: int, frames: int = 12) -> Pair:
    """Two things of one category that cross the picture in opposite directions; only the direction tells them apart.

    Args, errors: see `category_pair`.
    """

    def choose(rng: np.random.Generator) -> tuple[tuple[str, str], tuple[str, str], tuple[str | None, str | None]]:
        category = mixture.cutouts.draw_category(rng)
        name = _name(category)
        said = (f"the {name} moving to the left", f"the {name} moving to the right")
        return (category, category), said, ("left", "right")

    return _pair(mixture, index, frames, 1, choose, alike=True)


#: what the two things differ in -> how the clip is made
PAIR_KINDS: dict[str, Callable[[Mixture, int], Pair]] = {"category": category_pair, "motion": motion_pair}

_Choice = Callable[[np.random.Generator], tuple[tuple[str, str], tuple[str, str], tuple[str | None, str | None]]]


def _pair(mixture: Mixture, index: int, frames: int, kind: int, choose: _Choice, *, alike: bool) -> Pair:
    size = mixture.config.size
    if len(mixture.cutouts.categories) < (1 if alike else 2):
        raise UserError("pairs need stills with whole things of two categories: the held-out part has none")
    for attempt in range(_TRIES):
        rng = np.random.default_rng([mixture.config.seed, 2, kind, index, attempt])
        categories, expressions, directions = choose(rng)
        if (categories[0] == categories[1]) != alike:
            continue
        clip = _background(mixture, categories, frames, size, rng)
        if clip is None:
            continue
        labels: list[set[int]] = []
        for category, direction in zip(categories, directions, strict=True):
            cutout = mixture.cutouts.draw(category, rng, max(size))
            before = len(clip.parts)
            paste(clip, cutout, _path(frames, size, cutout.labels.shape[1:], rng, direction), None)
            labels.append({label for part in clip.parts[before:] for label in part.labels})
        masks = np.stack([np.isin(clip.labels, sorted(own)) for own in labels])
        areas = masks.mean((2, 3))
        if (areas.mean(1) > _LEAST_AREA).all() and (areas > 0).all() and _visible(areas):
            pixels = clip.frames.add(0.5).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
            return Pair(pixels, expressions, masks)
    raise UserError("no pair can be made from the held-out data: are there pictures without the things to paste?")


def _background(
    mixture: Mixture, categories: tuple[str, str], frames: int, size: tuple[int, int], rng: np.random.Generator
) -> SceneClip | None:
    bank = mixture.stills[int(rng.integers(len(mixture.stills)))][0]
    still = bank.load(bank.draw(rng))
    shown = {part.category for part in still.parts}
    # Only what the picture's collection marks is known to be absent where no mask says otherwise.
    if any(category in shown or _name(category) not in still.absent for category in categories):
        return None
    moved, labels = affine_clip(still.pixels, still.labels, random_camera(still.labels.shape, size, frames, rng))
    return SceneClip(moved, labels, still.parts, still.absent)


def _path(
    frames: int, size: tuple[int, int], shape: tuple[int, ...], rng: np.random.Generator, direction: str | None
) -> PastePath:
    extent = (shape[0], shape[1])
    if direction is None:
        return random_path(frames, size, extent, rng, str(rng.choice(["still", "across", "free"])))
    while True:
        path = random_path(frames, size, extent, rng, "across")
        if (path.motion.dx < 0) == (direction == "left") and abs(path.motion.dx) > 0.3:
            return path


def _visible(areas: NDArray[np.float64]) -> bool:
    """Whether no thing is mostly hidden at some time, by the other or by the border."""
    return bool((areas.min(1) > _LEAST_SHARE_VISIBLE * np.median(areas, 1)).all())


def _name(category: str) -> str:
    return next(iter(CATEGORY_NAMES.get(category, [category])))
