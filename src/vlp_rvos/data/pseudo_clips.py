"""Clips made from still pictures: a camera moves over the picture, and cut-outs of other pictures move on it.

`docs/method.md` section 5 ([P] affine motion of images; [D] cut-outs and everything else here). All masks are exact:
they are moved with the pixels, and what is pasted on top takes pixels away from what it covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from vlp_rvos.data.coco import CocoAnnotation, CocoFolder, CocoImage
from vlp_rvos.data.expressions import Motion
from vlp_rvos.data.scenes import Labels, Part, SceneClip
from vlp_rvos.data.vocabulary import CATEGORY_NAMES, STUFF
from vlp_rvos.data.ytvos import YTVOSDataset

__all__ = ["Camera", "Cutout", "CutoutBank", "PastePath", "Still", "StillBank", "affine_clip", "paste", "photometric"]

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_CLOTHING = "clothing"


# --- stills ----------------------------------------------------------------------------------------------------------
@dataclass
class Still:
    """A picture with its things.

    Attributes:
        pixels: (H, W, 3) uint8.
        labels: (H, W) int16, 0 belongs to nothing.
        parts: the things, with the labels of the map.
        absent: nouns that nothing in the picture deserves if no thing does.
    """

    pixels: Pixels
    labels: Labels
    parts: list[Part]
    absent: tuple[str, ...] = ()


class StillBank:
    """The pictures of a COCO folder, with what is known of each collection in it.

    Args:
        coco: the folder.
        names: file names that may be used; None takes all.
    """

    def __init__(self, coco: CocoFolder, names: set[str] | None = None) -> None:
        self.coco = coco
        self.images = [image for image in coco.images if names is None or image.file_name in names]
        self.by_source: dict[str, list[CocoImage]] = {}
        marked: dict[str, set[str]] = {}
        for image in self.images:
            self.by_source.setdefault(image.source, []).append(image)
        for image in coco.images:
            marked.setdefault(image.source, set()).update(a.category for a in coco.annotations_of(image))
        # A collection marks every thing of its categories, so a category without a mark is not in the picture. Not so for
        # background matter, which is often too thin or too far to be marked.
        self.absent = {
            source: tuple(name for c in sorted(found - STUFF) for name in CATEGORY_NAMES.get(c, [c])[:2])
            for source, found in marked.items()
        }
        self.dressing = {
            source: any(coco.categories.get(c) == _CLOTHING for c in found) for source, found in marked.items()
        }

    def load(self, image: CocoImage) -> Still:
        """Reads a picture and its masks.

        Raises:
            UserError: the picture or a mask is broken.
        """
        annotations = self.coco.annotations_of(image)
        masks = [self.coco.mask(annotation) for annotation in annotations]
        labels, sets = label_map(masks, (image.height, image.width))
        parts = [
            Part(a.category, found, askable=not a.crowd, weight=0.6 if a.supercategory == _CLOTHING else 1.0)
            for a, found in zip(annotations, sets, strict=True)
        ]
        people = [k for k, a in enumerate(annotations) if a.category == "person" and not a.crowd]
        for k, annotation in enumerate(annotations):
            if annotation.supercategory != _CLOTHING and annotation.category != "tie":
                continue
            size = max(int(masks[k].sum()), 1)
            shares = {p: int((masks[k] & masks[p]).sum()) / size for p in people}
            wearer = max(shares, key=shares.__getitem__, default=None)
            if wearer is not None and shares[wearer] > 0.5:
                parts[k].owner = wearer
                parts[wearer].dressed = self.dressing[image.source]
        return Still(self.coco.load_image(image), labels, parts, self.absent[image.source])


def label_map(masks: Sequence[NDArray[np.bool_]], size: tuple[int, int]) -> tuple[Labels, list[set[int]]]:
    """Overlapping masks as one map: pixels that belong to the same masks get the same label.

    Args:
        masks: K of (H, W) bool.
        size: (H, W).

    Returns:
        (H, W) int16 labels, 0 in no mask; and for each mask the labels it consists of.
    """
    labels = np.zeros(size, dtype=np.int16)
    sets: list[set[int]] = []
    count = 1
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        own: set[int] = set()
        if rows.size:
            window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            inside, part = mask[window], labels[window]
            for old in np.flatnonzero(np.bincount(part[inside], minlength=count)):
                part[inside & (part == old)] = count
                for other in sets:
                    if int(old) in other:
                        other.add(count)
                own.add(count)
                count += 1
        sets.append(own)
    return labels, sets


# --- the camera ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Camera:
    """Where the picture is seen from in every frame: source = centre + scale * R(angle) @ (output - output centre).

    Attributes:
        centre: (F, 2) x and y in source pixels.
        scale: (F,) source pixels per output pixel.
        angle: (F,) radians.
        size: (H, W) of the output.
    """

    centre: Floats
    scale: Floats
    angle: Floats
    size: tuple[int, int]

    def matrices(self) -> Floats:
        """(F, 2, 2) linear parts."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turned = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
        return np.asarray(self.scale[:, None, None] * turned)

    def to_output(self, points: Floats) -> Floats:
        """(F, 2) source pixels -> (F, 2) output pixels, frame by frame."""
        inverse = np.linalg.inv(self.matrices())
        middle = np.array([self.size[1], self.size[0]]) / 2
        return np.asarray(np.einsum("fij,fj->fi", inverse, points - self.centre) + middle)


def smooth_path(frames: int, rng: np.random.Generator) -> Floats:
    """(F,) smooth values in about -1 .. 1: a drift, a slow wave or a move that starts and stops."""
    t = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
    kind, sign = rng.integers(3), rng.choice([-1.0, 1.0])
    if kind == 0:
        return np.asarray(sign * (2 * t - 1))
    if kind == 1:
        return np.asarray(np.sin(2 * np.pi * (rng.uniform(0.3, 1.1) * t + rng.uniform())))
    start, end = sorted(rng.uniform(0, 1, 2))
    u = np.clip((t - start) / max(end - start, 0.25), 0, 1)
    return np.asarray(sign * (2 * u * u * (3 - 2 * u) - 1))


def random_camera(
    source: tuple[int, int],
    size: tuple[int, int],
    frames: int,
    rng: np.random.Generator,
    focus: tuple[float, float, float, float] | None = None,
    zoom: tuple[float, float] = (0.55, 1.0),
) -> Camera:
    """A camera that wanders smoothly and never looks past the border of the picture.

    Args:
        source: (h, w) of the picture.
        size: (H, W) of the frames.
        frames: F.
        rng: source of all choices.
        focus: (left, top, right, bottom) in source pixels of what should be seen.
        zoom: share of the largest possible window, from .. to.
    """
    (h, w), (height, width) = source, size
    largest = min(h / height, w / width)
    ratio = rng.uniform(*zoom)
    if focus is not None:
        wish = max((focus[2] - focus[0]) / width, (focus[3] - focus[1]) / height) / largest
        ratio = max(ratio, min(1.0, wish * rng.uniform(0.8, 1.3)))
    kind = rng.choice(4, p=[0.2, 0.4, 0.25, 0.15])
    amount = (0.0, 0.5, 1.2, 0.4)[kind]
    view = np.array([width, height]) * largest * ratio
    pan = np.stack([smooth_path(frames, rng) * rng.normal(0, 0.09) for _ in range(2)], -1) * view * amount
    log_scale = smooth_path(frames, rng) * rng.normal(0, 0.09) * amount
    angle = smooth_path(frames, rng) * np.deg2rad(rng.normal(0, 3.5)) * amount + np.deg2rad(rng.normal(0, 2.0))
    if kind == 3:
        noise = rng.normal(size=(frames + 2, 3))
        shake = (noise[:-2] + noise[1:-1] + noise[2:]) / 3
        pan = pan + shake[:, :2] * view * 0.012
        angle = angle + shake[:, 2] * 0.008
    if focus is None:
        centre = np.array([rng.uniform(0, w), rng.uniform(0, h)])
    else:
        centre = np.array([rng.uniform(focus[0], focus[2]), rng.uniform(focus[1], focus[3])])
        centre = centre + rng.uniform(-0.4, 0.4, 2) * np.maximum(view - [focus[2] - focus[0], focus[3] - focus[1]], 0)
    camera = Camera(centre + pan, largest * ratio * np.exp(log_scale), angle, size)
    return _inside(camera, source)


def _inside(camera: Camera, source: tuple[int, int]) -> Camera:
    """Shrinks and shifts a camera path as a whole until every corner of every frame lies in the picture."""
    height, width = camera.size
    corners = np.array([[x, y] for x in (-width / 2, width / 2) for y in (-height / 2, height / 2)])
    seen = camera.centre[:, None] + np.einsum("fij,cj->fci", camera.matrices(), corners)
    low, high = seen.min((0, 1)), seen.max((0, 1))
    limit = np.array([source[1], source[0]], dtype=np.float64)
    shrink = min(1.0, float((limit / (high - low)).min()))
    middle = (low + high) / 2
    half = shrink * (high - low) / 2
    wanted = np.clip(middle, half, limit - half)
    return replace(camera, centre=wanted + shrink * (camera.centre - middle), scale=camera.scale * shrink)


def affine_clip(pixels: Pixels, labels: Labels, camera: Camera) -> tuple[Tensor, Labels]:
    """A picture seen through a moving camera.

    Args:
        pixels: (h, w, 3) uint8.
        labels: (h, w) int16, moved with the pixels (nearest neighbour).
        camera: for F frames of (H, W).

    Returns:
        (F, 3, H, W) float32 in 0 .. 255 and (F, H, W) int16 labels.
    """
    h, w = labels.shape
    height, width = camera.size
    frames = len(camera.scale)
    theta = np.zeros((frames, 2, 3))
    theta[:, :, :2] = camera.matrices() * np.array([[width / w, height / w], [width / h, height / h]])
    theta[:, :, 2] = camera.centre * 2 / np.array([w, h]) - 1
    grid = F.affine_grid(torch.from_numpy(theta).float(), [frames, 1, height, width], align_corners=False)
    image = torch.from_numpy(np.array(pixels.transpose(2, 0, 1), dtype=np.float32))[None].expand(frames, -1, -1, -1)
    moved = F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
    names = torch.from_numpy(labels.astype(np.float32))[None, None].expand(frames, -1, -1, -1)
    warped = F.grid_sample(names, grid, mode="nearest", padding_mode="border", align_corners=False)
    return moved, warped[:, 0].round().to(torch.int16).numpy()


def widened(still: Still, aspect: float, rng: np.random.Generator) -> Still:
    """A picture on a blurred ground of its own, widened (or heightened) towards an aspect ratio W / H.

    For tall pictures in wide frames: a crop would cut people in two.
    """
    h, w = still.labels.shape
    share = rng.uniform(0.5, 1.0)
    if w / h < aspect:
        new_h, new_w = h, round(w + share * (h * aspect - w))
    else:
        new_h, new_w = round(h + share * (w / aspect - h)), w
    top, left = int(rng.integers(new_h - h + 1)), int(rng.integers(new_w - w + 1))
    tiny = Image.fromarray(still.pixels).resize((6, 6), Image.Resampling.BOX)
    ground = np.array(tiny.resize((new_w, new_h), Image.Resampling.BICUBIC))
    ground[top : top + h, left : left + w] = still.pixels
    labels = np.zeros((new_h, new_w), dtype=np.int16)
    labels[top : top + h, left : left + w] = still.labels
    return replace(still, pixels=ground, labels=labels)


# --- cut-outs --------------------------------------------------------------------------------------------------------
@dataclass
class Cutout:
    """A thing without its picture, still or moving.

    Attributes:
        pixels: (n, h, w, 3) uint8; n is 1 for a thing from a still.
        labels: (n, h, w) int16, 0 outside; the local labels of the parts.
        parts: the thing itself first, then what it wears (owner 0).
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

    # Things that make no sense without their surroundings, or are hardly ever whole.
    UNFIT = STUFF | frozenset({"dining table", "sink", "bed", "oven", "cyclist", "refrigerator", "microwave", "toilet"})

    def __post_init__(self) -> None:
        for k, bank in enumerate(self.banks):
            for image in bank.images:
                for annotation in bank.coco.annotations_of(image):
                    if self._is_whole(image, annotation):
                        self.by_category.setdefault(annotation.category, []).append(_Candidate(k, image, annotation))

    def _is_whole(self, image: CocoImage, annotation: CocoAnnotation) -> bool:
        if annotation.crowd or annotation.supercategory in (_CLOTHING, "street") or annotation.category in self.UNFIT:
            return False
        left, top, width, height = annotation.box
        share = annotation.area / (image.width * image.height)
        inside = left > 1 and top > 1 and left + width < image.width - 2
        grounded = top + height < image.height - 2 or annotation.category == "person"
        solid = annotation.area > 0.3 * width * height and min(width, height) >= 24
        return inside and grounded and solid and 0.012 < share < 0.6

    @property
    def categories(self) -> list[str]:
        """Categories with at least one cut-out."""
        return sorted(self.by_category)

    def draw_category(self, rng: np.random.Generator) -> str:
        """A category; frequent ones are drawn more often, but not in proportion."""
        names = self.categories
        weights = np.sqrt([min(len(self.by_category[name]), 150) for name in names])
        return str(rng.choice(names, p=weights / weights.sum()))

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

    def draw_moving(self, frames: int, rng: np.random.Generator, apart_from: frozenset[str] = frozenset()) -> Cutout | None:
        """An object of a video, as it moves there, or None where there is none to be had.

        Args:
            frames: how many frames.
            rng: source of all choices.
            apart_from: names of videos that must not be used.
        """
        choices = [(d, n) for d, names in self.videos for n in names if n not in apart_from]
        if not choices:
            return None
        dataset, name = choices[int(rng.integers(len(choices)))]
        video = next(v for v in dataset.videos if v.name == name)
        texts: dict[int, list[str]] = {}
        for expression in video.expressions:
            if expression.object_id is not None and is_portable(expression.text):
                texts.setdefault(expression.object_id, []).append(expression.text)
        if not texts or len(video.frames) < frames:
            return None
        chosen = int(rng.choice(sorted(texts)))
        start = int(rng.integers(len(video.frames) - frames + 1))
        names = video.frames[start : start + frames]
        masks = np.stack([dataset.load_ids(name, frame) == chosen for frame in names])
        rows, columns = np.flatnonzero(masks.any((0, 2))), np.flatnonzero(masks.any((0, 1)))
        if masks.any((1, 2)).mean() < 1 or min(len(rows), len(columns)) < 16:
            return None
        window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        pixels = np.stack([dataset.load_frame(name, frame)[window] for frame in names])
        labels = masks[(slice(None), *window)].astype(np.int16)
        if rng.random() < 0.5:
            pixels, labels = pixels[:, :, ::-1], labels[:, :, ::-1]
        return Cutout(pixels, np.ascontiguousarray(labels), [Part("", {1}, phrases=tuple(texts[chosen]))])


_SCENERY = (" in front", " behind ", " on the ", " in the air", " in the water", " in dark", " below", " along", "left")
_SCENERY += ("right", " over ", " through ", " across ", " into ", " in circles", " moving ", " with two people", "jump")
_ACTIONS = ("walking", "standing", "sitting", "swimming", "flying", "sailing", "turning", "driving", "running", "climbing")
_ACTIONS += ("rolling", "hitting", "gliding", "practising", "playing", "performing", "spinning", "skating", "pushing")


@lru_cache(maxsize=4096)
def is_portable(text: str) -> bool:
    """Whether an expression stays true of an object that is cut out and moved elsewhere."""
    padded = f" {text.lower()} "
    return not any(piece in padded for piece in (*_SCENERY, *_ACTIONS))


_RECOLOURABLE = frozenset(
    "car bus truck train motorcycle bicycle boat airplane umbrella suitcase backpack handbag kite frisbee skateboard "
    "surfboard snowboard cup bowl vase chair couch bottle dress skirt coat jacket blazer shirt t-shirt top blouse "
    "sweater sweatshirt hoodie jumper cardigan pants shorts bag purse hat scarf romper cape vest leggings bench clock tie".split()
)


def recoloured(pixels: Pixels, labels: Labels, parts: Sequence[Part], rng: np.random.Generator) -> Pixels:
    """Gives things another hue that come in all colours, so that colour words cannot be learned by heart.

    Args:
        pixels: (h, w, 3) uint8.
        labels: (h, w) int16.
        parts: things; those that come in all colours are changed with probability 0.35.
        rng: source of all choices.
    """
    out = pixels
    for part in parts:
        if part.category not in _RECOLOURABLE or rng.random() > 0.35:
            continue
        mask = np.isin(labels, sorted(part.labels))
        if not mask.any():
            continue
        hsv = np.array(Image.fromarray(out).convert("HSV"))
        inside = hsv[mask].astype(np.int32)
        if inside[:, 1].mean() < 60:
            # Grey and white things have no hue to turn: tint them.
            inside[:, 0] = rng.integers(256)
            inside[:, 1] = np.clip(inside[:, 1] + rng.integers(110, 190), 0, 255)
            inside[:, 2] = np.clip(inside[:, 2] * 0.8 + 40, 0, 255)
        else:
            inside[:, 0] = (inside[:, 0] + rng.integers(20, 236)) % 256
        hsv[mask] = inside.astype(np.uint8)
        out = np.array(Image.fromarray(hsv, "HSV").convert("RGB"))
    return out


# --- pasting ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class PastePath:
    """How a pasted thing moves, in pixels of the reference frame (the camera's middle view).

    Attributes:
        position: (F, 2) x and y of its centre.
        scale: (F,) output pixels per cut-out pixel.
        angle: (F,) radians, clockwise.
        motion: what there is to say of it.
    """

    position: Floats
    scale: Floats
    angle: Floats
    motion: Motion


def random_path(
    frames: int, size: tuple[int, int], shape: tuple[int, int], rng: np.random.Generator, kind: str | None = None
) -> PastePath:
    """A random motion for a cut-out.

    Args:
        frames: F.
        size: (H, W) of the frames.
        shape: (h, w) of the cut-out.
        rng: source of all choices.
        kind: one of `MOTION_KINDS`, or None for a random one.
    """
    height, width = size
    if kind is None:
        kind = str(rng.choice(list(MOTION_KINDS), p=list(MOTION_KINDS.values())))
    high = float(np.exp(rng.uniform(np.log(0.24), np.log(0.85)))) * height
    base = min(high / shape[0], 0.75 * width / shape[1], 1.6)
    t = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
    ease = t * t * (3 - 2 * t) if rng.random() < 0.3 else t
    delta, zoom, turn, swing = np.zeros(2), 1.0, 0.0, (0.0, 0.0)
    if kind == "across":
        delta[0] = rng.choice([-1, 1]) * rng.uniform(0.2, 0.7)
        delta[1] = rng.normal(0, 0.03)
    elif kind == "vertical":
        delta[1] = rng.choice([-1, 1]) * rng.uniform(0.2, 0.6)
        delta[0] = rng.normal(0, 0.03)
    elif kind == "free":
        delta[:] = rng.uniform(-0.5, 0.5, 2)
    elif kind == "closer":
        zoom = rng.uniform(1.45, 2.3)
    elif kind == "away":
        zoom = 1 / rng.uniform(1.45, 2.3)
    elif kind == "turn":
        turn = rng.choice([-1, 1]) * rng.uniform(60, 300)
    elif kind == "swing":
        swing = (rng.uniform(0.1, 0.2), 0.0) if rng.random() < 0.5 else (0.0, rng.uniform(0.1, 0.2))
    middle = np.array([rng.uniform(0.15, 0.85), np.clip(rng.normal(0.58, 0.16), 0.2, 0.85)])
    start, end = middle - delta / 2, middle + delta / 2
    if kind in ("enter", "leave"):
        outside = -0.1 - base * shape[1] / width / 2
        side = rng.choice([0, 1])
        beyond = np.array([outside if side == 0 else 1 - outside, middle[1]])
        within = np.array([rng.uniform(0.25, 0.75), middle[1]])
        start, end = (beyond, within) if kind == "enter" else (within, beyond)
        ease = np.clip((t - 0.25) / 0.75, 0, 1) if kind == "enter" else np.clip(t / 0.7, 0, 1)
        delta = end - start
    waves = np.sin(2 * np.pi * rng.uniform(1.0, 2.2) * t)[:, None] * np.array(swing)
    position = (start + ease[:, None] * delta + waves) * np.array([width, height])
    scale = base * np.exp((ease - 0.5) * np.log(zoom))
    angle = np.deg2rad(turn) * ease + np.deg2rad(rng.normal(0, 4))
    motion = Motion(float(delta[0]), float(delta[1]), float(zoom), float(turn), swing)
    return PastePath(position, scale, angle, motion)


MOTION_KINDS: dict[str, float] = {
    "still": 0.22,
    "across": 0.32,
    "vertical": 0.07,
    "free": 0.08,
    "closer": 0.07,
    "away": 0.06,
    "turn": 0.05,
    "swing": 0.05,
    "enter": 0.04,
    "leave": 0.04,
}


def paste(clip: SceneClip, cutout: Cutout, path: PastePath, camera: Camera | None, light: float = 1.0) -> None:
    """Draws a cut-out over a clip, in place, and adds its things.

    Args:
        clip: F frames.
        cutout: n must be 1 or F.
        path: relative to the background.
        camera: of the background; None when the background has no camera of ours.
        light: factor on the cut-out's brightness.
    """
    frames, _, height, width = clip.frames.shape
    position, scale, angle = path.position, path.scale, path.angle
    if camera is not None:
        # World coordinates are the pixels of the camera's mean view.
        still = Camera(
            np.broadcast_to(camera.centre.mean(0), camera.centre.shape),
            np.full(frames, camera.scale.mean()),
            np.full(frames, camera.angle.mean()),
            camera.size,
        )
        offset = position - np.array([width, height]) / 2
        position = camera.to_output(still.centre + np.einsum("fij,fj->fi", still.matrices(), offset))
        scale = scale * still.scale / camera.scale
        angle = angle + still.angle - camera.angle
    count, h, w = cutout.labels.shape
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    half = np.stack([(w * cos + h * sin), (w * sin + h * cos)], -1) * scale[:, None] / 2 + 1
    low = np.clip(np.floor(position - half), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(position + half), 0, [width, height]).astype(int)
    extent = (high - low).max(0)
    base = clip.new_label()
    if (extent > 1).all():
        low = np.minimum(low, np.array([width, height]) - extent)
        source, names = _layers(cutout, light)
        inverse_cos, inverse_sin = np.cos(angle) / scale, np.sin(angle) / scale
        theta = np.zeros((frames, 2, 3))
        theta[:, 0, 0] = inverse_cos * extent[0] / w
        theta[:, 0, 1] = inverse_sin * extent[1] / w
        theta[:, 1, 0] = -inverse_sin * extent[0] / h
        theta[:, 1, 1] = inverse_cos * extent[1] / h
        away = low + extent / 2 - position
        theta[:, 0, 2] = (inverse_cos * away[:, 0] + inverse_sin * away[:, 1]) * 2 / w
        theta[:, 1, 2] = (-inverse_sin * away[:, 0] + inverse_cos * away[:, 1]) * 2 / h
        shape = [frames, 1, int(extent[1]), int(extent[0])]
        grid = F.affine_grid(torch.from_numpy(theta).float(), shape, align_corners=False)
        layer = F.grid_sample(source.expand(frames, -1, -1, -1), grid, mode="bilinear", align_corners=False)
        marks = F.grid_sample(names.expand(frames, -1, -1, -1), grid, mode="nearest", align_corners=False)
        local = marks[:, 0].round().to(torch.int16).numpy()
        covers = (layer[:, 3] >= 0.5).numpy()
        # The feathered edge may be wider than the labels: such pixels belong to the thing itself.
        local = np.where(covers & (local == 0), min(cutout.parts[0].labels), local) * covers
        for f in range(frames):
            rows = slice(low[f, 1], low[f, 1] + extent[1])
            columns = slice(low[f, 0], low[f, 0] + extent[0])
            view = clip.frames[f, :, rows, columns]
            view.mul_(1 - layer[f, 3:]).add_(layer[f, :3])
            np.copyto(clip.labels[f, rows, columns], local[f] + np.int16(base), where=local[f] > 0)
    first = len(clip.parts)
    depth = 1 + max((part.depth or 0 for part in clip.parts), default=0)
    for part in cutout.parts:
        clip.parts.append(
            replace(
                part,
                labels={base + label for label in part.labels},
                motion=path.motion,
                owner=None if part.owner is None else first + part.owner,
                depth=depth,
                weight=2.0 * part.weight,
            )
        )


def _layers(cutout: Cutout, light: float) -> tuple[Tensor, Tensor]:
    """Premultiplied colour and soft alpha (n, 4, h, w), and labels (n, 1, h, w), both float32."""
    alpha = np.stack([_feathered(mask > 0) for mask in cutout.labels])
    colours = cutout.pixels.astype(np.float32) * (light * alpha[..., None])
    layers = np.concatenate([np.minimum(colours, 255 * alpha[..., None]), alpha[..., None]], axis=-1)
    source = torch.from_numpy(np.ascontiguousarray(layers.transpose(0, 3, 1, 2)))
    return source, torch.from_numpy(cutout.labels.astype(np.float32))[:, None]


def _feathered(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A soft edge just inside the mask, so that no background of the old picture shines through."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    if min(mask.shape) > 40:
        image = image.filter(ImageFilter.MinFilter(3))
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.9)), dtype=np.float32) / 255
    return np.where(mask, soft, 0).astype(np.float32)


# --- light -----------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=1)
def _noise() -> Tensor:
    return torch.randn(3, 640, 960, generator=torch.Generator().manual_seed(0))


def photometric(frames: Tensor, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast, tint, a slow drift of them, noise, and sometimes blur; mild enough to keep colour names.

    Args:
        frames: (F, 3, H, W) float32, 0 .. 255; may be changed in place.
        rng: source of all choices.
    """
    count, _, height, width = frames.shape
    gain = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.025, 3))
    drift = np.exp(smooth_path(count, rng) * rng.normal(0, 0.03))
    contrast = np.exp(rng.normal(0, 0.1))
    mean = float(frames[0].mean())
    scale = torch.from_numpy(gain[None] * drift[:, None] * contrast).float()[:, :, None, None]
    shift = mean * (1 - contrast)
    if rng.random() < 0.15:
        factor = rng.uniform(0.4, 0.75)
        small = F.interpolate(frames, scale_factor=factor, mode="bilinear", align_corners=False)
        frames = F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
    frames = frames.mul_(scale).add_(shift)
    if rng.random() < 0.4 and height <= 576 and width <= 896:
        strength = rng.uniform(1.0, 6.0)
        for frame in frames:
            top, left = int(rng.integers(640 - height + 1)), int(rng.integers(960 - width + 1))
            frame.add_(_noise()[:, top : top + height, left : left + width], alpha=strength)
    return frames.clamp_(0, 255)
