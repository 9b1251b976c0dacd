"""The mixture of data sets that the model is trained on; every sample is a function of its index.

`docs/method.md` section 5: a sample is two consecutive clips. [P] The rest is [D].

"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from vlp_rvos.data.language.vocabulary import CATEGORY_NAMES
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.sources.holdout import is_held_out
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.data.synthesis.benchmark_clips import BenchmarkClips, open_clips
from vlp_rvos.data.synthesis.pseudo_clips import (
    Camera,
    CutoutBank,
    Still,
    StillBank,
    affine_clip,
    paste,
    photometric,
    random_camera,
    random_path,
    recoloured,
    riding_path,
    widened,
)
from vlp_rvos.data.synthesis.scenes import Sample, SceneClip
from vlp_rvos.data.synthesis.video_clips import video_clip
from vlp_rvos.errors import UserError

__all__ = ["Mixture", "build_mixture"]

Split = Literal["train", "holdout"]


_MAX_TRIES = 25


#: things that are pasted into a clip or picture, on average
_PASTED = 1.2


# Likely in the unmarked background of a video, where a pasted one would not be the only one.
_COMMON = frozenset(
    {
        "car",
        "truck",
        "bus",
        "bicycle",
        "bench",
        "chair",
        "potted plant",
        "backpack",
        "handbag",
        "umbrella",
        "bottle",
        "cup",
    }
    | {"traffic light", "stop sign", "book", "boat", "clock", "tie", "suitcase"}
)


def build_mixture(config: MixtureConfig, split: Split = "train") -> Mixture:
    """Opens the data sets of a mixture.

    Args:
        config: what to mix.
        split: "train", or "holdout" for what is kept from training.

    Raises:
        UserError: a data set is missing or broken, a held-out video is in none of them, or a split is empty.
    """
    return Mixture(config, split)


class Mixture(IterableDataset[Sample]):
    """Samples by index: `sample(i)` depends on the configuration, the split and `i`, and on nothing else.

    Iterating gives samples 0, 1, 2, ... without end, dealt out among the workers of a data loader.

    Example:
        >>> mixture = build_mixture(MixtureConfig(root="data"))                     # doctest: +SKIP
        >>> sample = mixture.sample(0)                                              # doctest: +SKIP
        >>> sample.frames.shape, sample.expressions, sample.masks.shape             # doctest: +SKIP
    """

    def __init__(self, config: MixtureConfig, split: Split) -> None:
        self.config, self.split = config, split
        held_out = set(config.hold_out)
        unknown = set(held_out)
        self.videos: list[tuple[YTVOSDataset, tuple[str, ...], float]] = []
        self.stills: list[tuple[StillBank, float]] = []
        self.benchmarks: list[tuple[BenchmarkClips, float]] = []
        for source in config.sources:
            folder = Path(config.root) / source.folder
            if source.kind == "videos":
                images = None if source.images is None else Path(config.root) / source.images
                dataset = YTVOSDataset(folder, images)
                usable = [v.name for v in dataset.videos if any(e.object_id is not None for e in v.expressions)]
                unknown -= set(usable)
                names = tuple(name for name in usable if (name in held_out) == (split == "holdout"))
                if names:
                    self.videos.append((dataset, names, source.weight))
                continue
            if source.kind == "benchmark":
                assert source.name is not None
                clips = open_clips(
                    source.name,
                    folder,
                    source.split,
                    held_out=split == "holdout",
                    share=config.hold_out_share,
                    expressions=config.expressions,
                    keep_aspect=config.keep_aspect,
                )
                if clips.videos:
                    self.benchmarks.append((clips, source.weight))
                continue
            coco = CocoFolder(folder)
            chosen = {
                image.file_name
                for image in coco.images
                if is_held_out(image.file_name, config.hold_out_share) == (split == "holdout")
            }
            bank = StillBank(coco, chosen)
            if bank.images:
                self.stills.append((bank, source.weight))
        if unknown:
            raise UserError(
                f"hold_out names {', '.join(sorted(unknown))}, but no source has such a video: correct the name"
            )
        if not self.videos and not self.stills and not self.benchmarks:
            raise UserError(f"no data is left for the split '{split}': change hold_out or hold_out_share")
        self.cutouts = CutoutBank(
            [bank for bank, _ in self.stills], [(dataset, names) for dataset, names, _ in self.videos]
        )
        # What is pasted into other scenes and hardly ever stands unmarked in a background.
        self._elsewhere = tuple(
            name
            for category in self.cutouts.categories
            if category not in _COMMON and category != "person"
            for name in CATEGORY_NAMES.get(category, [category])[:2]
        )
        self._spoken = self._how_often_spoken()
        self._by_name = {(k, v.name): v for k, (d, _, _) in enumerate(self.videos) for v in d.videos}

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        index, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        while True:
            yield self.sample(index)
            index += step

    def sample(self, index: int) -> Sample:
        """Sample `index`, the same one every time.

        Returns:
            One to `config.expressions` expressions about `config.frames` frames, at least one of them about something
            that they show.

        Raises:
            UserError: a file cannot be read, or no expression can be made from the data.
        """
        config = self.config
        size = config.size
        group = np.random.default_rng([config.seed, self.split == "holdout", 1, index // 8])
        if group.random() < config.portrait:
            size = size[::-1]
        for attempt in range(_MAX_TRIES):
            rng = np.random.default_rng([config.seed, self.split == "holdout", 0, index, attempt])
            clip = self._draw(size, rng)
            if clip is None:
                continue
            if isinstance(clip, Sample):
                return clip
            clip.frames = photometric(clip.frames, rng)
            references = clip.ask(rng, config.expressions, config.absent)
            enough = len(references) == config.expressions or attempt >= _MAX_TRIES // 2
            if enough and any(reference.members for reference in references):
                return clip.sample(references)
        raise UserError("no expression can be made from the training data: are there annotations in it?")

    def _how_often_spoken(self) -> dict[str, float]:
        """The names of each category -> how often something of that name is asked about, relatively."""
        total = sum(weight for _, _, weight in self.videos) + sum(weight for _, weight in self.stills)
        seen = defaultdict(float, {name: _PASTED * share for name, share in self.cutouts.shares.items()})
        for bank, weight in self.stills:
            for category, share in bank.shares().items():
                seen[category] += share * weight / total
        spoken: defaultdict[str, float] = defaultdict(float)
        for category, share in seen.items():
            first, *others = CATEGORY_NAMES.get(category, [category])
            spoken[first] += share * (0.7 if others else 1.0)
            for name in others:
                spoken[name] += share * 0.3 / len(others)
        return dict(spoken)

    def _some(self, absent: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
        """Some of the nouns, each as likely as it is to be right: one mostly wrong is learned as absent, always."""
        if not absent:
            return absent
        # Of what only held-out pictures show, nothing is known here.
        weights = np.array([max(self._spoken.get(name, 0.0), 1e-6) for name in absent])
        return tuple(str(name) for name in rng.choice(absent, 16, p=weights / weights.sum()))

    def _draw(self, size: tuple[int, int], rng: np.random.Generator) -> SceneClip | Sample | None:
        weights = np.array([source[-1] for source in (*self.videos, *self.stills, *self.benchmarks)])
        chosen = int(rng.choice(len(weights), p=weights / weights.sum()))
        if chosen < len(self.videos):
            return self._video(chosen, size, rng)
        chosen -= len(self.videos)
        if chosen < len(self.stills):
            return self._still(chosen, size, rng)
        return self.benchmarks[chosen - len(self.stills)][0].draw(self.config.frames, size, rng)

    def _video(self, source: int, size: tuple[int, int], rng: np.random.Generator) -> SceneClip | None:
        dataset, names, _ = self.videos[source]
        name = names[int(rng.integers(len(names)))]
        frames = self.config.frames
        clip = video_clip(dataset, self._by_name[source, name], frames, size, rng)
        if clip is None:
            return None
        clip.absent = self._some(self._elsewhere, rng)
        clip.first = [k for k, part in enumerate(clip.parts) if part.askable]
        if set(self.cutouts.categories) - _COMMON and rng.random() < self.config.paste_on_videos:
            if len(names) > 1 and rng.random() < 0.2:
                moving = self.cutouts.draw_moving(frames, rng, frozenset({name}))
                if moving is not None:
                    paste(clip, moving, random_path(frames, size, moving.labels.shape[1:], rng), None, _light(rng))
            for _ in range(int(rng.choice([1, 2], p=[0.7, 0.3]))):
                cutout = self.cutouts.draw(self.cutouts.draw_category(rng, _COMMON), rng, max(size))
                paste(clip, cutout, random_path(frames, size, cutout.labels.shape[1:], rng), None, _light(rng))
        return clip

    def _still(self, source: int, size: tuple[int, int], rng: np.random.Generator) -> SceneClip | None:
        bank = self.stills[source][0]
        frames = self.config.frames
        still = bank.load(bank.draw(rng))
        still.pixels = recoloured(still.pixels, still.labels, still.parts, rng, 0.2)
        if rng.random() < 0.5:
            still.pixels, still.labels = still.pixels[:, ::-1], np.ascontiguousarray(still.labels[:, ::-1])
        (height, width), aspect = still.labels.shape, size[1] / size[0]
        if max(width / height / aspect, height * aspect / width) > 1.5 and rng.random() < 0.45:
            still = widened(still, aspect, rng)
        camera = random_camera(still.labels.shape, size, frames, rng, _focus(still, rng))
        moved, labels = affine_clip(still.pixels, still.labels, camera)
        clip = SceneClip(moved, labels, still.parts, self._some((*still.absent, *self._elsewhere), rng))
        if not self.cutouts.categories:
            return clip
        if frames > 1 and rng.random() < self.config.twins:
            self._paste_twins(clip, size, rng, camera)
        elif rng.random() < self.config.mounted:
            self._paste_mounted(clip, size, rng, camera)
        elif rng.random() < self.config.paste_on_stills:
            self._paste_several(clip, size, rng, camera)
        return clip

    def _paste_twins(self, clip: SceneClip, size: tuple[int, int], rng: np.random.Generator, camera: Camera) -> None:
        """Two cut-outs of one category; most often they cross the picture in opposite directions."""
        frames, category = self.config.frames, self.cutouts.draw_category(rng)
        opposite, direction = rng.random() < 0.7, rng.choice([-1, 1])
        for turn in range(2):
            cutout = self.cutouts.draw(category, rng, max(size))
            while True:
                path = random_path(frames, size, cutout.labels.shape[1:], rng, "across" if opposite else None)
                if not opposite or path.motion.dx * direction * (-1) ** turn > 0.2:
                    break
            clip.first.append(len(clip.parts))
            paste(clip, cutout, path, camera, _light(rng))
            clip.parts[clip.first[-1]].by_motion = True

    def _paste_mounted(self, clip: SceneClip, size: tuple[int, int], rng: np.random.Generator, camera: Camera) -> None:
        """A person on something that people ride, as two things; where videos have several objects, half are theirs."""
        moving = self.cutouts.draw_moving(self.config.frames, rng, several=True) if rng.random() < 0.5 else None
        if moving is not None:
            path = random_path(self.config.frames, size, moving.labels.shape[1:], rng)
            clip.first.extend(range(len(clip.parts), len(clip.parts) + len(moving.parts)))
            # Far away too: what touches is the harder to tell apart the smaller it is.
            paste(clip, moving, replace(path, scale=path.scale * rng.uniform(0.4, 1.0)), camera, _light(rng))
            return
        mount = self.cutouts.draw_mount(rng, max(size))
        if mount is None or "person" not in self.cutouts.by_category:
            return
        rider = self.cutouts.draw("person", rng, max(size))
        shapes = mount.labels.shape[1:], rider.labels.shape[1:]
        kind = str(rng.choice(["still", "across", "free", "closer", "away"], p=[0.25, 0.45, 0.1, 0.1, 0.1]))
        path = random_path(self.config.frames, size, shapes[0], rng, kind)
        both = [(mount, path), (rider, riding_path(path, *shapes, rng))]
        light = _light(rng)
        for k in rng.permutation(2):
            clip.first.append(len(clip.parts))
            paste(clip, both[k][0], both[k][1], camera, light)
        if rng.random() < 0.5:
            clip.first.reverse()

    def _paste_several(self, clip: SceneClip, size: tuple[int, int], rng: np.random.Generator, camera: Camera) -> None:
        frames = self.config.frames
        if self.videos and rng.random() < 0.15:
            moving = self.cutouts.draw_moving(frames, rng)
            if moving is not None:
                paste(clip, moving, random_path(frames, size, moving.labels.shape[1:], rng), camera, _light(rng))
        alike = rng.random() < 0.4
        count = int(rng.choice([2, 3], p=[0.75, 0.25])) if alike else int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
        category = self.cutouts.draw_category(rng)
        for _ in range(count):
            cutout = self.cutouts.draw(category, rng, max(size))
            paste(clip, cutout, random_path(frames, size, cutout.labels.shape[1:], rng), camera, _light(rng))
            if not alike:
                category = self.cutouts.draw_category(rng)


def _light(rng: np.random.Generator) -> float:
    return float(np.exp(rng.normal(0, 0.1)))


def _focus(still: Still, rng: np.random.Generator) -> tuple[float, float, float, float] | None:
    """The box of a thing that the camera should see, larger things more often; sometimes none."""
    if not still.parts or rng.random() < 0.1:
        return None
    sizes = np.bincount(
        still.labels.ravel(), minlength=1 + max((max(p.labels, default=0) for p in still.parts), default=0)
    )
    areas = np.array([sizes[sorted(part.labels)].sum() if part.labels else 0 for part in still.parts], dtype=np.float64)
    if not areas.any():
        return None
    weights = np.sqrt(np.minimum(areas, 0.2 * still.labels.size))
    part = still.parts[int(rng.choice(len(areas), p=weights / weights.sum()))]
    mask = np.isin(still.labels, sorted(part.labels))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
