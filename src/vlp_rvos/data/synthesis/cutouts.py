"""Things cut out of pictures and videos, to be pasted elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlp_rvos.data.language.paraphrase import tells_motion
from vlp_rvos.data.language.vocabulary import STUFF, words
from vlp_rvos.data.sources.coco import CocoAnnotation, CocoImage
from vlp_rvos.data.sources.ytvos import VideoEntry, YTVOSDataset
from vlp_rvos.data.synthesis.scenes import Labels, Part
from vlp_rvos.data.synthesis.stills import CLOTHING, StillBank

__all__ = ["Cutout", "CutoutBank", "is_portable", "recoloured"]

Pixels = NDArray[np.uint8]


@dataclass
class Cutout:
    """A thing without its picture, still or moving.

    Attributes:
        pixels: (n, h, w, 3) uint8; n is 1 for a thing from a still.
        labels: (n, h, w) int16, 0 outside; the local labels of the parts.
        parts: the thing itself first, then what it wears (owner 0); or the objects of a video.
    """

    pixels: Pixels
    labels: Labels
    parts: list[Part]


@dataclass(frozen=True)
class _Candidate:
    bank: int
    image: CocoImage
    annotation: CocoAnnotation


@dataclass
class CutoutBank:
    """Things that can be cut out and pasted elsewhere.

    Args:
        banks: stills, whose whole and well visible things are used.
        videos: video data sets whose objects are used, each with the names of the videos that may be.
        max_side: longest side of a cut-out, in pixels.
    """

    banks: Sequence[StillBank]
    videos: Sequence[tuple[YTVOSDataset, tuple[str, ...]]] = ()
    max_side: int = 260
    by_category: dict[str, list[_Candidate]] = field(init=False, default_factory=dict)
    mounts: dict[str, list[_Candidate]] = field(init=False, default_factory=dict)

    # Things that make no sense without their surroundings, or are hardly ever whole.
    UNFIT = STUFF | frozenset({"dining table", "sink", "bed", "oven", "cyclist", "refrigerator", "microwave", "toilet"})

    def __post_init__(self) -> None:
        for k, bank in enumerate(self.banks):
            for image in bank.images:
                for annotation in bank.coco.annotations_of(image):
                    candidate = _Candidate(k, image, annotation)
                    if self._is_whole(image, annotation):
                        self.by_category.setdefault(annotation.category, []).append(candidate)
                    if annotation.category in _MOUNTS and self._is_mount(image, annotation):
                        self.mounts.setdefault(annotation.category, []).append(candidate)

    def _is_whole(self, image: CocoImage, annotation: CocoAnnotation) -> bool:
        if annotation.crowd or annotation.supercategory in (CLOTHING, "street") or annotation.category in self.UNFIT:
            return False
        left, top, width, height = annotation.box
        share = annotation.area / (image.width * image.height)
        inside = left > 1 and top > 1 and left + width < image.width - 2
        grounded = top + height < image.height - 2 or annotation.category == "person"
        solid = annotation.area > 0.36 * width * height and min(width, height) >= 24
        return inside and grounded and solid and 0.012 < share < 0.6

    @staticmethod
    def _is_mount(image: CocoImage, annotation: CocoAnnotation) -> bool:
        """Whole or not: there are few of them, a bicycle is mostly holes, and its rider hides its borders."""
        share, sides = annotation.area / (image.width * image.height), annotation.box[2:]
        return not annotation.crowd and min(sides) >= 36 and 0.004 < share < 0.6

    @property
    def categories(self) -> list[str]:
        """Categories with at least one cut-out."""
        return sorted(self.by_category)

    @cached_property
    def shares(self) -> dict[str, float]:
        """How often `draw_category` draws each category; together 1."""
        weights = np.sqrt([min(len(self.by_category[name]), 150) for name in self.categories])
        weights *= [1.0 if name in _MOVERS else 0.4 for name in self.categories]
        return dict(zip(self.categories, (weights / weights.sum()).tolist(), strict=True))

    def draw_category(self, rng: np.random.Generator, without: frozenset[str] = frozenset()) -> str:
        """A category, but none of `without`; what moves by itself and what is frequent is drawn more often."""
        shares = {name: share for name, share in self.shares.items() if name not in without}
        weights = np.array(list(shares.values()))
        return str(rng.choice(list(shares), p=weights / weights.sum()))

    def draw_mount(self, rng: np.random.Generator, side: int) -> Cutout | None:
        """Something that people ride, at most `side` pixels on its longer side, or None where there is none."""
        if not self.mounts:
            return None
        names = sorted(self.mounts)
        weights = np.array([_MOUNTS[name] for name in names])
        candidates = self.mounts[str(rng.choice(names, p=weights / weights.sum()))]
        return self._cut(candidates[int(rng.integers(len(candidates)))], min(side, self.max_side), rng)

    def draw(self, category: str, rng: np.random.Generator, side: int) -> Cutout:
        """A thing of a category, at most `side` pixels on its longer side, sometimes mirrored or recoloured."""
        candidates = self.by_category[category]
        # Few of the people are in clothes that are marked, and those can be told apart by words.
        dressed = [c for c in candidates if self.banks[c.bank].dressing[c.image.source]]
        pool = dressed if dressed and rng.random() < 0.8 else candidates
        candidate = pool[int(rng.integers(len(pool)))]
        return self._cut(candidate, min(side, self.max_side), rng)

    def _cut(self, candidate: _Candidate, side: int, rng: np.random.Generator) -> Cutout:
        still = self.banks[candidate.bank].load(candidate.image)
        annotations = self.banks[candidate.bank].coco.annotations_of(candidate.image)
        index = annotations.index(candidate.annotation)
        worn = [k for k, part in enumerate(still.parts) if part.owner == index]
        left, top, width, height = (round(value) for value in candidate.annotation.box)
        rows = slice(max(top - 3, 0), min(top + height + 3, still.labels.shape[0]))
        columns = slice(max(left - 3, 0), min(left + width + 3, still.labels.shape[1]))
        labels = still.labels[rows, columns]
        own = np.isin(labels, sorted(still.parts[index].labels))
        labels = np.where(own, labels, 0).astype(np.int16)
        parts = [replace(still.parts[index], owner=None)]
        for k in worn:
            visible = {label for label in still.parts[k].labels if (labels == label).any()}
            if visible:
                parts.append(replace(still.parts[k], labels=visible, owner=0))
        pixels = still.pixels[rows, columns]
        scale = side / max(pixels.shape[:2])
        if scale < 1.6:
            new = (max(round(pixels.shape[1] * scale), 4), max(round(pixels.shape[0] * scale), 4))
            resized = Image.fromarray(pixels).resize(new, Image.Resampling.BILINEAR)
            pixels = np.asarray(resized)
            labels = np.asarray(Image.fromarray(labels).resize(new, Image.Resampling.NEAREST))
        pixels = recoloured(pixels, labels, parts, rng)
        if rng.random() < 0.5:
            pixels, labels = pixels[:, ::-1], labels[:, ::-1]
        return Cutout(np.ascontiguousarray(pixels)[None], np.ascontiguousarray(labels)[None], parts)

    def draw_moving(
        self,
        frames: int,
        rng: np.random.Generator,
        apart_from: frozenset[str] = frozenset(),
        *,
        several: bool = False,
    ) -> Cutout | None:
        """The objects of a video, as they move there, or None where there are none to be had.

        Args:
            frames: how many frames.
            rng: source of all choices.
            apart_from: names of videos that must not be used.
            several: only videos with more than one object.
        """
        choices = [
            (dataset, video, texts)
            for dataset, video, texts in self._moving
            if video.name not in apart_from and len(video.frames) >= frames and len(texts) > several
        ]
        if not choices:
            return None
        dataset, video, texts = choices[int(rng.integers(len(choices)))]
        start = int(rng.integers(len(video.frames) - frames + 1))
        names = video.frames[start : start + frames]
        ids = np.stack([dataset.load_ids(video.name, frame) for frame in names])
        labels = np.where(np.isin(ids, sorted(texts)), ids, 0).astype(np.int16)
        rows, columns = np.flatnonzero(labels.any((0, 2))), np.flatnonzero(labels.any((0, 1)))
        whole = all((labels == label).any((1, 2)).all() for label in texts)
        if not whole or min(len(rows), len(columns)) < 16:
            return None
        window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        pixels = np.stack([dataset.load_frame(video.name, frame)[window] for frame in names])
        labels = labels[(slice(None), *window)]
        if rng.random() < 0.5:
            pixels, labels = pixels[:, :, ::-1], labels[:, :, ::-1]
        parts = [Part("", {label}, phrases=tuple(said)) for label, said in texts.items()]
        return Cutout(np.ascontiguousarray(pixels), np.ascontiguousarray(labels), parts)

    @cached_property
    def _moving(self) -> list[tuple[YTVOSDataset, VideoEntry, dict[int, list[str]]]]:
        """The videos with objects of which something is said that stays true elsewhere, and what is said, by label."""
        videos = [(dataset, v) for dataset, names in self.videos for v in dataset.videos if v.name in names]
        return [(dataset, video, texts) for dataset, video in videos if (texts := _portable(video))]


def _portable(video: VideoEntry) -> dict[int, list[str]]:
    texts: dict[int, list[str]] = {}
    for expression in video.expressions:
        if expression.object_id is not None and is_portable(expression.text):
            texts.setdefault(expression.object_id, []).append(expression.text)
    return texts


_SCENERY = re.compile(
    r" (in front|behind|on the|in the air|in the water|in dark|below|through|across|in circles|with two)\b"
)


@lru_cache(maxsize=4096)
def is_portable(text: str) -> bool:
    """Whether an expression stays true of an object that is cut out and moved elsewhere."""
    return not tells_motion(text) and _SCENERY.search(text.lower()) is None


_MOVERS = words(
    """
    person bird cat dog horse sheep cow elephant bear zebra giraffe car motorcycle airplane bus train truck boat bicycle
    kite frisbee skateboard surfboard umbrella
    """
) | {"sports ball", "teddy bear"}

#: what people ride -> how often
_MOUNTS = {"bicycle": 5.0, "motorcycle": 2.5, "horse": 1.0, "elephant": 0.5, "skateboard": 0.5}

_RECOLOURABLE = words(
    """
    car bus truck train motorcycle bicycle boat airplane umbrella suitcase backpack handbag kite frisbee skateboard
    surfboard snowboard cup bowl vase chair couch bottle dress skirt coat jacket blazer shirt t-shirt top blouse sweater
    sweatshirt hoodie jumper cardigan pants shorts bag purse hat scarf romper cape vest leggings bench clock tie suit
    shoes boots
    """
)

#: ranges of hue, of 256, that have a name
_HUES = {
    "red": (-9, 9),
    "orange": (12, 28),
    "yellow": (32, 46),
    "green": (55, 110),
    "blue": (130, 178),
    "purple": (184, 206),
    "pink": (212, 240),
}


def recoloured(
    pixels: Pixels, labels: Labels, parts: Sequence[Part], rng: np.random.Generator, share: float = 0.35
) -> Pixels:
    """Gives things another colour that come in all colours, so that colour words cannot be learned by heart.

    All names of colours with a hue are equally likely.

    Args:
        pixels: (h, w, 3) uint8.
        labels: (h, w) int16.
        parts: things.
        rng: source of all choices.
        share: of those that come in all colours, how many are changed.
    """
    out = pixels
    for part in parts:
        if part.category not in _RECOLOURABLE or rng.random() > share:
            continue
        mask = np.isin(labels, sorted(part.labels))
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not rows.size:
            continue
        window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        mask = mask[window]
        hsv = np.array(Image.fromarray(out[window]).convert("HSV"))
        inside = hsv[mask].astype(np.int32)
        name = str(rng.choice(list(_HUES)))
        hue, light = rng.integers(*_HUES[name]), name in ("orange", "yellow")
        if inside[:, 1].mean() < 60:
            # Grey and white things have no hue to turn: tint them.
            inside[:, 0] = hue
            inside[:, 1] += rng.integers(110, 190)
            inside[:, 2] = inside[:, 2] * (0.55 if light else 0.8) + (110 if light else 40)
        else:
            # Dark pixels have any hue: they keep close to the others.
            apart = (inside[:, 0] - round(float(np.median(inside[:, 0]))) + 128) % 256 - 128
            inside[:, 0] = hue + apart.clip(-8, 8)
            if light or rng.random() < 0.5:
                # Brown and navy are dark: as another colour they are mostly lighter.
                inside[:, 1] += rng.integers(20, 80)
                inside[:, 2] = inside[:, 2] * 0.65 + 90
        inside[:, 0] %= 256
        hsv[mask] = inside.clip(0, 255).astype(np.uint8)
        if out is pixels:
            out = pixels.copy()
        # Written back under the mask only: the way there and back rounds.
        out[window][mask] = np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))[mask]
    return out
