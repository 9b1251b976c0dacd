"""Training samples from the published benchmarks: their own expressions about their own videos and pictures.

Random windows, crops and mirroring are the field's custom, and pictures become clips under a moving camera, as in the
paper [P]. The numbers are our decision [D] unless the authors' release has them [O]. `docs/method.md`, section 5,
explains the marks. Shapes: E expressions, F frames, (H, W) pixels of a sample, (h, w) pixels on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vlp_rvos.data.benchmarks import ReferringDataset, ReferringExpression, ReferringVideo, open_benchmark
from vlp_rvos.data.language.invariance import mirror_expression
from vlp_rvos.data.sources.holdout import is_held_out
from vlp_rvos.data.synthesis.camera import apply_camera, draw_camera
from vlp_rvos.data.synthesis.label_maps import Mask, combine_masks, find_bounds, mask_of
from vlp_rvos.data.synthesis.photometric import distort_photometrically
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.errors import UserError

__all__ = ["HELD_OUT_SPLITS", "BenchmarkClips", "open_benchmark_clips"]

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of a picture's width and height."""

HELD_OUT_SPLITS = {"ref-davis17": "val", "mevis": "valid_u", "refcoco": "val", "refcoco+": "val", "refcocog": "val"}
"""Benchmark -> its own validation split with public masks. Of the others, a share of the videos is held out."""

_WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
# Share of windows that are cropped, and the smallest side of a crop.
_CROPPED_SHARE = 0.5
_SMALLEST_CROP = 0.6
# Of the frames of a window, as in the authors' settings [O].
_MAX_STRIDE = 3
# How many annotated frames are searched for one that shows the target.
_FRAMES_TRIED = 8


class BenchmarkClips:
    """Draws samples from videos of a benchmark.

    Args:
        dataset: The split of the benchmark.
        videos: Which of its videos to use.
        expressions: Largest number of expressions of a sample.
        keep_aspect: Whether to cut windows of the sample's aspect ratio, for models that keep the aspect ratio.
            Otherwise frames are resized to the sample's size, as other models see them.
        augment: Whether to use random strides, crops, mirroring, cameras and colours. Otherwise samples are what a
            model sees in a test.

    Attributes:
        videos: Those of the videos that have an expression for something.
    """

    def __init__(
        self,
        dataset: ReferringDataset,
        videos: Sequence[ReferringVideo],
        *,
        expressions: int,
        keep_aspect: bool = False,
        augment: bool = True,
    ) -> None:
        self.dataset, self.expressions = dataset, expressions
        self.keep_aspect, self.augment = keep_aspect, augment
        self.videos = [video for video in videos if any(x.object_ids for x in _usable_expressions(video))]
        # So that every expression is drawn about equally often.
        self._ends = np.cumsum([max(1.0, len(_usable_expressions(video)) / expressions) for video in self.videos])

    def draw(self, frames: int, size: tuple[int, int], rng: np.random.Generator) -> Sample | None:
        """Draws a sample with expressions of one video. Frames without annotation are not supervised.

        Args:
            frames: Number of frames F; a shorter video is held at its last frame.
            size: (H, W) of the frames.
            rng: Source of all choices.

        Returns:
            The sample, or None when the drawn window shows nothing that the drawn expressions refer to.

        Raises:
            UserError: A file is missing or unreadable.
        """
        video = self.videos[int(np.searchsorted(self._ends, rng.random() * self._ends[-1], side="right"))]
        query = _Query(self.dataset, video, self._draw_expressions(_usable_expressions(video), rng))
        anchor = query.draw_anchor(rng)
        if anchor is None:
            return None
        if self.augment and len(video.frames) == 1:
            pixels, masks, supervised = self._film_picture(query, frames, size, rng)
        else:
            names = self._draw_window(video.frames, anchor, frames, rng)
            pixels, masks, supervised = self._crop_frames(query, names, video.frames[anchor], size, rng)
        if not masks.any():
            return None
        # An expression whose object is cropped away is dropped: "on the left" may now be true of another object.
        kept = [e for e, x in enumerate(query.expressions) if not x.object_ids or masks[e].any()]
        expressions = [query.expressions[e] for e in kept]
        masks, supervised = masks[kept], supervised[kept]
        mirrored = False
        if self.augment:
            pixels = distort_photometrically(pixels, rng)
            mirrored = bool(rng.random() < 0.5)
        texts = [" ".join(x.text.split()) for x in expressions]
        flip = (-1,) if mirrored else ()
        return Sample(
            frames=pixels.add(0.5).clamp_(0, 255).to(torch.uint8).flip(flip),
            expressions=[mirror_expression(text) for text in texts] if mirrored else texts,
            masks=torch.from_numpy(masks).flip(flip),
            kinds=[_kind_of(x, video) for x in expressions],
            supervised=None if supervised.all() else torch.from_numpy(supervised),
        )

    def _draw_expressions(
        self, usable: list[ReferringExpression], rng: np.random.Generator
    ) -> list[ReferringExpression]:
        """Draws expressions with different texts, the first of which refers to something."""
        referring = [x for x in usable if x.object_ids]
        chosen = [referring[int(rng.integers(len(referring)))]]
        for k in rng.permutation(len(usable)):
            if len(chosen) == self.expressions:
                break
            if all(usable[k].text != x.text for x in chosen):
                chosen.append(usable[k])
        return chosen

    def _draw_window(self, names: Sequence[str], anchor: int, frames: int, rng: np.random.Generator) -> list[str]:
        """Draws the names of `frames` frames at one stride, the anchor among them."""
        # At these strides a window around any anchor fits into the video.
        longest = max(1, min(_MAX_STRIDE, len(names) // frames)) if self.augment else 1
        stride = int(rng.integers(1, longest + 1))
        last = len(names) - 1 - stride * (frames - 1)
        starts = range(anchor - stride * (frames - 1), anchor + 1, stride)
        fitting = [start for start in starts if 0 <= start <= last] or [0]
        start = fitting[int(rng.integers(len(fitting)))]
        return [names[min(start + stride * f, len(names) - 1)] for f in range(frames)]

    def _crop_frames(
        self, query: _Query, names: list[str], anchor: str, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Tensor, Mask, Mask]:
        """Cuts the same part out of every frame.

        Returns:
            (F, 3, H, W) float32 frames, (E, F, H, W) masks, and (E, F) where the masks are known.
        """
        images = {name: query.load_image(name) for name in dict.fromkeys(names)}
        width, height = images[names[0]].size
        target = query.load_mask(anchor)
        assert target is not None
        box = self._draw_crop((height, width), size, _extent(target), rng)
        left, top, right, bottom = box
        place = (left * width, top * height, min(right, 1) * width, min(bottom, 1) * height)
        resized = {
            name: np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR, place, reducing_gap=2))
            for name, image in images.items()
        }
        pixels = torch.from_numpy(np.stack([resized[name] for name in names])).permute(0, 3, 1, 2).float()
        masks = np.zeros((len(query.expressions), len(names), *size), bool)
        supervised = np.zeros(masks.shape[:2], bool)
        for e in range(len(masks)):
            for f, name in enumerate(names):
                mask = query.load_mask(name, e)
                if mask is not None:
                    masks[e, f], supervised[e, f] = _resize(mask, box, size), True
        return pixels, masks, supervised

    def _draw_crop(self, source: tuple[int, int], size: tuple[int, int], target: Box, rng: np.random.Generator) -> Box:
        """Draws what to cut out of frames of (h, w): often as much as possible, else a part around the target."""
        shares = np.ones(2)
        if self.keep_aspect:
            largest = min(source[0] / size[0], source[1] / size[1])
            shares = largest * np.array(size) / source
        if not self.augment:
            top, left = (1 - shares) / 2
            return float(left), float(top), float(left + shares[1]), float(top + shares[0])
        if rng.random() < _CROPPED_SHARE:
            shares *= rng.uniform(_SMALLEST_CROP, 1.0) if self.keep_aspect else rng.uniform(_SMALLEST_CROP, 1.0, 2)
        middle = np.array([target[1] + target[3], target[0] + target[2]]) / 2
        top, left = rng.uniform(np.maximum(0, middle - shares), np.minimum(1 - shares, middle))
        return float(left), float(top), float(left + shares[1]), float(top + shares[0])

    def _film_picture(
        self, query: _Query, frames: int, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Tensor, Mask, Mask]:
        """Turns a picture into a pseudo clip, seen by a camera that moves, turns and zooms.

        Returns:
            (F, 3, H, W) float32 frames, (E, F, H, W) masks, and (E, F) where the masks are known.
        """
        name = query.video.frames[0]
        image = query.load_image(name)
        if not self.keep_aspect:
            pixels, aspect = image.width * image.height, size[1] / size[0]
            image = image.resize((round((pixels * aspect) ** 0.5), round((pixels / aspect) ** 0.5)))
        source = image.height, image.width
        known = [query.load_mask(name, e) for e in range(len(query.expressions))]
        empty = np.zeros(source, bool)
        labels, sets = combine_masks([empty if m is None else _resize(m, _WHOLE, source) for m in known], source)
        assert known[0] is not None
        left, top, right, bottom = _extent(known[0])
        focus = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        camera = draw_camera(source, size, frames, rng, focus, zoom=(_SMALLEST_CROP, 1.0))
        moved, moved_labels = apply_camera(np.asarray(image), labels, camera)
        masks = np.stack([mask_of(moved_labels, own) for own in sets])
        supervised = np.repeat([[mask is not None] for mask in known], frames, axis=1)
        return moved, masks, supervised


class _Query:
    """Expressions of a video, and the masks of what they refer to. The masks of a frame are read only once.

    Args:
        dataset: The data set of the video.
        video: The video.
        expressions: E of its expressions.
    """

    def __init__(
        self, dataset: ReferringDataset, video: ReferringVideo, expressions: list[ReferringExpression]
    ) -> None:
        self.dataset, self.video, self.expressions = dataset, video, expressions
        self._targets = {i for expression in expressions for i in expression.object_ids or ()}
        self._objects: dict[str, dict[int, Mask] | None] = {}

    def load_image(self, frame: str) -> Image.Image:
        return Image.fromarray(self.dataset.load_frame(self.video.name, frame))

    def load_mask(self, frame: str, expression: int = 0) -> Mask | None:
        """The mask (h, w) of what an expression refers to.

        None where it is unknown; (1, 1) and empty for an expression that refers to nothing.
        """
        wanted = self.expressions[expression].object_ids
        if not wanted:
            return np.zeros((1, 1), bool)
        if frame not in self._objects:
            found = self.dataset.load_objects(self.video.name, frame)
            self._objects[frame] = found and {i: mask for i, mask in found.items() if i in self._targets}
        objects = self._objects[frame]
        # A2D-Sentences lists the objects that it annotates in a frame; of the others nothing is known.
        if objects is None or not objects.keys() >= set(wanted):
            return None
        return np.asarray(np.logical_or.reduce([objects[i] for i in wanted]))

    def draw_anchor(self, rng: np.random.Generator) -> int | None:
        """Draws the position of an annotated frame that shows what the first expression refers to."""
        tried = 0
        for position in rng.permutation(len(self.video.frames)):
            mask = self.load_mask(self.video.frames[position])
            if mask is None:
                continue
            if mask.any():
                return int(position)
            tried += 1
            if tried == _FRAMES_TRIED:
                break
        return None


def open_benchmark_clips(
    name: str,
    folder: Path,
    split: str,
    *,
    held_out: bool,
    share: float,
    expressions: int,
    keep_aspect: bool,
) -> BenchmarkClips:
    """Opens the part of a benchmark that a model is trained on, or the part that is held out for validation.

    Args:
        name: Name of the benchmark.
        folder: Its root folder.
        split: The split to train on.
        held_out: Whether to open the validation part: the benchmark's own split (`HELD_OUT_SPLITS`), or else a share
            of `split`.
        share: Share of the videos that is held out, chosen by name, where the benchmark has no such split.
        expressions: See `BenchmarkClips`.
        keep_aspect: See `BenchmarkClips`.

    Raises:
        UserError: The name or split is unknown, files are missing or broken, or the split has no public masks.
    """
    own = HELD_OUT_SPLITS.get(name) if split == "train" else None
    dataset = open_benchmark(name, folder, own if held_out and own else split)
    if not any(x.object_ids for video in dataset.videos for x in video.expressions):
        raise UserError(f"{name} has no public masks of its split '{dataset.split}': train on another one")
    videos = [video for video in dataset.videos if own or is_held_out(video.name, share) == held_out]
    return BenchmarkClips(dataset, videos, expressions=expressions, keep_aspect=keep_aspect, augment=not held_out)


def _usable_expressions(video: ReferringVideo) -> list[ReferringExpression]:
    """The expressions that have text, and of which the data set tells what they refer to."""
    return [x for x in video.expressions if x.object_ids is not None and x.text.strip()]


def _kind_of(expression: ReferringExpression, video: ReferringVideo) -> str:
    """One of the values of `Sample.kinds`."""
    if len(expression.object_ids or ()) != 1:
        return "several" if expression.object_ids else "absent"
    return "still" if len(video.frames) == 1 else "video"


def _resize(mask: Mask, box: Box, size: tuple[int, int]) -> Mask:
    """Resizes the part of a mask (h, w) that lies in the box to (H, W), by the nearest pixel."""
    left, top, right, bottom = box
    rows = (top + (np.arange(size[0]) + 0.5) / size[0] * (bottom - top)) * mask.shape[0]
    columns = (left + (np.arange(size[1]) + 0.5) / size[1] * (right - left)) * mask.shape[1]
    return np.asarray(mask[rows.astype(int)[:, None], columns.astype(int)])


def _extent(mask: Mask) -> Box:
    """The box of a mask (h, w) that is not empty."""
    bounds = find_bounds(mask)
    assert bounds is not None
    height, width = mask.shape
    return bounds.left / width, bounds.top / height, bounds.right / width, bounds.bottom / height
