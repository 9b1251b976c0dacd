"""Training samples from the published benchmarks: their own expressions about their own videos and pictures.

`docs/method.md` section 5: random windows, crops and mirroring as the field does, pictures under a moving camera [P];
the exact numbers are [D]. Shapes: E expressions, F frames, (H, W) pixels of a sample, (h, w) pixels on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from vlp_rvos.data.benchmarks import ReferringDataset, ReferringExpression, ReferringVideo, open_benchmark
from vlp_rvos.data.language.paraphrase import flip_words
from vlp_rvos.data.sources.holdout import is_held_out
from vlp_rvos.data.synthesis.camera import affine_clip, random_camera
from vlp_rvos.data.synthesis.pseudo_clips import photometric
from vlp_rvos.data.synthesis.scenes import Sample
from vlp_rvos.data.synthesis.stills import label_map
from vlp_rvos.errors import UserError

__all__ = ["HELD_OUT_SPLITS", "BenchmarkClips", "open_clips"]

Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of a picture's width and height."""

HELD_OUT_SPLITS = {"ref-davis17": "val", "mevis": "valid_u", "refcoco": "val", "refcoco+": "val", "refcocog": "val"}
"""Benchmark -> its own validation split with public masks. Of the others, a share of the videos is held out."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
CROPPED = 0.5
SMALLEST_CROP = 0.6
MAX_STRIDE = 3
"""Of the frames of a window, as in the authors' settings [O]."""
FRAMES_TRIED = 8
"""How many annotated frames are looked at for one that shows the target."""


class BenchmarkClips:
    """Samples of some videos of a benchmark.

    Args:
        dataset: the split.
        videos: which of its videos; those of which nothing can be asked are left out.
        expressions: most expressions of one sample.
        keep_aspect: cut windows of the sample's aspect ratio, for models that keep it; otherwise frames are resized to
            it, as models see them that do not.
        augment: random strides, crops, mirroring, cameras and colours; without, samples are as a test would show them.

    Attributes:
        videos: those of which something can be asked.
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
        self.videos = [video for video in videos if any(x.object_ids for x in _askable(video))]
        # So that every expression is asked about equally often.
        self._ends = np.cumsum([max(1.0, len(_askable(video)) / expressions) for video in self.videos])

    def draw(self, frames: int, size: tuple[int, int], rng: np.random.Generator) -> Sample | None:
        """A random sample.

        Args:
            frames: F; a shorter video is held at its last frame.
            size: (H, W).
            rng: source of all choices.

        Returns:
            Expressions of one video, or None when the window shows none of what they refer to. Frames without
            annotation are not supervised.

        Raises:
            UserError: a file is missing or unreadable.
        """
        video = self.videos[int(np.searchsorted(self._ends, rng.random() * self._ends[-1], side="right"))]
        question = _Question(self.dataset, video, self._choose(_askable(video), rng))
        anchor = question.anchor(rng)
        if anchor is None:
            return None
        if self.augment and len(video.frames) == 1:
            pixels, masks, supervised = self._filmed(question, frames, size, rng)
        else:
            names = self._window(video.frames, anchor, frames, rng)
            pixels, masks, supervised = self._cut_out(question, names, video.frames[anchor], size, rng)
        asked = question.asked
        # What is cropped away cannot be asked about: words like "on the left" may now be true of something else.
        kept = [e for e, x in enumerate(asked) if not x.object_ids or masks[e].any()]
        if not masks.any():
            return None
        masks, supervised = masks[kept], supervised[kept]
        mirrored = False
        if self.augment:
            pixels = photometric(pixels, rng)
            mirrored = bool(rng.random() < 0.5)
        texts = [" ".join(asked[e].text.split()) for e in kept]
        flip = (-1,) if mirrored else ()
        return Sample(
            frames=pixels.add(0.5).clamp_(0, 255).to(torch.uint8).flip(flip),
            expressions=[flip_words(text) for text in texts] if mirrored else texts,
            masks=torch.from_numpy(masks).flip(flip),
            kinds=[_kind(asked[e], video) for e in kept],
            supervised=None if supervised.all() else torch.from_numpy(supervised),
        )

    def _choose(self, askable: list[ReferringExpression], rng: np.random.Generator) -> list[ReferringExpression]:
        """Expressions with different texts; the first one refers to something."""
        first = [x for x in askable if x.object_ids]
        chosen = [first[int(rng.integers(len(first)))]]
        for k in rng.permutation(len(askable)):
            if len(chosen) == self.expressions:
                break
            if all(askable[k].text != x.text for x in chosen):
                chosen.append(askable[k])
        return chosen

    def _window(self, names: Sequence[str], anchor: int, frames: int, rng: np.random.Generator) -> list[str]:
        """`frames` names at one stride, the anchor's among them."""
        # At these strides a window around any anchor fits into the video.
        longest = max(1, min(MAX_STRIDE, len(names) // frames)) if self.augment else 1
        stride = int(rng.integers(1, longest + 1))
        last = len(names) - 1 - stride * (frames - 1)
        starts = range(anchor - stride * (frames - 1), anchor + 1, stride)
        fitting = [start for start in starts if 0 <= start <= last] or [0]
        start = fitting[int(rng.integers(len(fitting)))]
        return [names[min(start + stride * f, len(names) - 1)] for f in range(frames)]

    def _cut_out(
        self,
        question: _Question,
        names: list[str],
        anchor: str,
        size: tuple[int, int],
        rng: np.random.Generator,
    ) -> tuple[torch.Tensor, Mask, Mask]:
        """The same part of every frame."""
        images = {name: question.image(name) for name in dict.fromkeys(names)}
        width, height = images[names[0]].size
        target = question.truth(anchor)
        assert target is not None
        box = self._crop((height, width), size, _extent(target), rng)
        left, top, right, bottom = box
        place = (left * width, top * height, min(right, 1) * width, min(bottom, 1) * height)
        resized = {
            name: np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR, place, reducing_gap=2))
            for name, image in images.items()
        }
        pixels = torch.from_numpy(np.stack([resized[name] for name in names])).permute(0, 3, 1, 2).float()
        masks = np.zeros((len(question.asked), len(names), *size), bool)
        supervised = np.zeros(masks.shape[:2], bool)
        for e in range(len(masks)):
            for f, name in enumerate(names):
                mask = question.truth(name, e)
                if mask is not None:
                    masks[e, f], supervised[e, f] = _resized(mask, box, size), True
        return pixels, masks, supervised

    def _crop(self, source: tuple[int, int], size: tuple[int, int], target: Box, rng: np.random.Generator) -> Box:
        """What is cut out of a frame of (h, w): often all that can be, else a part with the middle of the target."""
        shares = np.ones(2)
        if self.keep_aspect:
            largest = min(source[0] / size[0], source[1] / size[1])
            shares = largest * np.array(size) / source
        if not self.augment:
            top, left = (1 - shares) / 2
            return float(left), float(top), float(left + shares[1]), float(top + shares[0])
        if rng.random() < CROPPED:
            shares *= rng.uniform(SMALLEST_CROP, 1.0) if self.keep_aspect else rng.uniform(SMALLEST_CROP, 1.0, 2)
        middle = np.array([target[1] + target[3], target[0] + target[2]]) / 2
        top, left = rng.uniform(np.maximum(0, middle - shares), np.minimum(1 - shares, middle))
        return float(left), float(top), float(left + shares[1]), float(top + shares[0])

    def _filmed(
        self, question: _Question, frames: int, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[torch.Tensor, Mask, Mask]:
        """A picture as a pseudo clip: seen by a camera that moves, turns and zooms."""
        name = question.video.frames[0]
        image = question.image(name)
        if not self.keep_aspect:
            pixels, aspect = image.width * image.height, size[1] / size[0]
            image = image.resize((round((pixels * aspect) ** 0.5), round((pixels / aspect) ** 0.5)))
        source = image.height, image.width
        known = [question.truth(name, e) for e in range(len(question.asked))]
        empty = np.zeros(source, bool)
        labels, sets = label_map([empty if m is None else _resized(m, WHOLE, source) for m in known], source)
        assert known[0] is not None
        left, top, right, bottom = _extent(known[0])
        focus = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        camera = random_camera(source, size, frames, rng, focus, zoom=(SMALLEST_CROP, 1.0))
        moved, warped = affine_clip(np.asarray(image), labels, camera)
        masks = np.stack([np.isin(warped, sorted(found)) for found in sets])
        supervised = np.repeat([[mask is not None] for mask in known], frames, axis=1)
        return moved, masks, supervised


class _Question:
    """Some expressions of a video, and what they refer to; the masks of every frame are read once.

    Args:
        dataset, video: which video.
        asked: E expressions.
    """

    def __init__(self, dataset: ReferringDataset, video: ReferringVideo, asked: list[ReferringExpression]) -> None:
        self.dataset, self.video, self.asked = dataset, video, asked
        self._wanted = {i for expression in asked for i in expression.object_ids or ()}
        self._objects: dict[str, dict[int, Mask] | None] = {}

    def image(self, frame: str) -> Image.Image:
        return Image.fromarray(self.dataset.load_frame(self.video.name, frame))

    def truth(self, frame: str, expression: int = 0) -> Mask | None:
        """(h, w), None where there is no truth; (1, 1) and empty where the expression refers to nothing."""
        wanted = self.asked[expression].object_ids
        if not wanted:
            return np.zeros((1, 1), bool)
        if frame not in self._objects:
            found = self.dataset.load_objects(self.video.name, frame)
            self._objects[frame] = found and {i: mask for i, mask in found.items() if i in self._wanted}
        objects = self._objects[frame]
        # A2D-Sentences lists the objects that it marks in a frame; of the others it says nothing.
        if objects is None or not objects.keys() >= set(wanted):
            return None
        return np.asarray(np.logical_or.reduce([objects[i] for i in wanted]))

    def anchor(self, rng: np.random.Generator) -> int | None:
        """Position of a random frame that is annotated and shows what the first expression refers to."""
        looked_at = 0
        for position in rng.permutation(len(self.video.frames)):
            mask = self.truth(self.video.frames[position])
            if mask is None:
                continue
            if mask.any():
                return int(position)
            looked_at += 1
            if looked_at == FRAMES_TRIED:
                break
        return None


def open_clips(
    name: str,
    folder: Path,
    split: str,
    *,
    held_out: bool,
    share: float,
    expressions: int,
    keep_aspect: bool,
) -> BenchmarkClips:
    """Open the part of a benchmark that is trained on, or the part that is held out.

    Args:
        name: of the benchmark.
        folder: its root.
        split: that is trained on.
        held_out: open the validation part: the benchmark's own split (`HELD_OUT_SPLITS`), or a share of this one.
        share: of the videos that is held out, by name, where the benchmark has no such split.
        expressions, keep_aspect: as for `BenchmarkClips`.

    Raises:
        UserError: an unknown name or split, missing or broken files, or a split without public masks.
    """
    own = HELD_OUT_SPLITS.get(name) if split == "train" else None
    dataset = open_benchmark(name, folder, own if held_out and own else split)
    if not any(x.object_ids for video in dataset.videos for x in video.expressions):
        raise UserError(f"{name} has no public masks of its split '{dataset.split}': train on another one")
    videos = [video for video in dataset.videos if own or is_held_out(video.name, share) == held_out]
    return BenchmarkClips(dataset, videos, expressions=expressions, keep_aspect=keep_aspect, augment=not held_out)


def _askable(video: ReferringVideo) -> list[ReferringExpression]:
    """Expressions of which the data set tells what they refer to."""
    return [x for x in video.expressions if x.object_ids is not None and x.text.strip()]


def _kind(expression: ReferringExpression, video: ReferringVideo) -> str:
    """As `Sample.kinds` has it."""
    if len(expression.object_ids or ()) != 1:
        return "several" if expression.object_ids else "absent"
    return "still" if len(video.frames) == 1 else "video"


def _resized(mask: Mask, box: Box, size: tuple[int, int]) -> Mask:
    """(h, w) -> (H, W), what lies in the box; the nearest pixel counts."""
    left, top, right, bottom = box
    rows = (top + (np.arange(size[0]) + 0.5) / size[0] * (bottom - top)) * mask.shape[0]
    columns = (left + (np.arange(size[1]) + 0.5) / size[1] * (right - left)) * mask.shape[1]
    return np.asarray(mask[rows.astype(int)[:, None], columns.astype(int)])


def _extent(mask: Mask) -> Box:
    """The box of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height
