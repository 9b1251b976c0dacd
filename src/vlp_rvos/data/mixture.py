"""The mixture of data sets that a model is trained on. Every sample is a function of its index.

A sample is two consecutive clips, as in the paper [P]; all else here is our decision [D]. `docs/method.md`, section 5,
explains the marks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from vlp_rvos.data.described_clips import draw_described_clip
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.mixture_sources import (
    BenchmarkSource,
    DescribedSource,
    Split,
    StillSource,
    VideoSource,
    open_sources,
)
from vlp_rvos.data.synthesis.absent_nouns import AbsentNouns
from vlp_rvos.data.synthesis.cutouts import CutoutBank
from vlp_rvos.data.synthesis.moving_cutouts import MovingCutoutBank
from vlp_rvos.data.synthesis.photometric import distort_photometrically
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.data.synthesis.scene_clip import SceneClip
from vlp_rvos.data.synthesis.scene_composer import SceneComposer
from vlp_rvos.errors import UserError

__all__ = ["Mixture", "build_mixture"]

_MAX_TRIES = 25
# Consecutive samples of one orientation, so that batches of 1, 2, 4 or 8 have one size.
_GROUP = 8


def build_mixture(config: MixtureConfig, split: Split = "train") -> Mixture:
    """Opens the data sets of a mixture.

    Args:
        config: What to mix.
        split: "train", or "holdout" for what training never sees.

    Raises:
        UserError: A data set is missing or broken, a held-out video is in none of them, or the split is empty.
    """
    return Mixture(config, split)


class Mixture(IterableDataset[Sample]):
    """Samples by index: `sample(i)` depends on the configuration, the split and `i`, and on nothing else.

    Iterating gives samples 0, 1, 2, ... without end; the workers of a data loader share them out.

    Attributes:
        config: What is mixed.
        split: Which part of the data sets.
        sources: The opened data sets.
        cutouts: The objects of the stills that are pasted into other pictures and videos.
        moving_cutouts: The same for objects of videos.

    Example:
        >>> mixture = build_mixture(MixtureConfig(root="data"))                     # doctest: +SKIP
        >>> sample = mixture.sample(0)                                              # doctest: +SKIP
        >>> sample.frames.shape, sample.expressions, sample.masks.shape             # doctest: +SKIP
    """

    def __init__(self, config: MixtureConfig, split: Split) -> None:
        self.config, self.split = config, split
        self.sources = open_sources(config, split)
        videos, stills = self.sources.videos, self.sources.stills
        self.cutouts = CutoutBank([source.bank for source in stills])
        self.moving_cutouts = MovingCutoutBank([(source.dataset, source.videos) for source in videos])
        absent_nouns = AbsentNouns(
            self.cutouts,
            [(source.bank, source.weight) for source in stills],
            sum(source.weight for source in videos) + sum(source.weight for source in stills),
        )
        self._composer = SceneComposer(
            config.frames,
            self.cutouts,
            self.moving_cutouts,
            absent_nouns,
            paste_on_videos=config.paste_on_videos,
            paste_on_stills=config.paste_on_stills,
            twins=config.twins,
            mounted=config.mounted,
        )

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        index, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        while True:
            yield self.sample(index)
            index += step

    def sample(self, index: int) -> Sample:
        """Makes sample `index`, the same one every time.

        Returns:
            One to `config.expressions` expressions about `config.frames` frames, at least one of them about something
            that the frames show.

        Raises:
            UserError: A file cannot be read, or no expression can be made from the data.
        """
        config = self.config
        size = config.size
        seed = [config.seed, self.split == "holdout"]
        if np.random.default_rng([*seed, 1, index // _GROUP]).random() < config.portrait:
            size = size[::-1]
        for attempt in range(_MAX_TRIES):
            rng = np.random.default_rng([*seed, 0, index, attempt])
            clip = self._draw(size, rng)
            if clip is None:
                continue
            if isinstance(clip, Sample):
                return clip
            clip.frames = distort_photometrically(clip.frames, rng)
            references = clip.draw_references(rng, config.expressions, config.absent)
            enough = len(references) == config.expressions or attempt >= _MAX_TRIES // 2
            if enough and any(reference.members for reference in references):
                return clip.build_sample(references)
        raise UserError("no expression can be made from the training data: are there annotations in it?")

    def _draw(self, size: tuple[int, int], rng: np.random.Generator) -> SceneClip | Sample | None:
        """Draws a source, and a clip of it to be described, or a sample that has its own expressions."""
        sources = self.sources.all
        weights = np.array([source.weight for source in sources])
        match sources[int(rng.choice(len(weights), p=weights / weights.sum()))]:
            case VideoSource(dataset, videos):
                return self._composer.compose_from_video(dataset, videos, size, rng)
            case StillSource(bank):
                return self._composer.compose_from_still(bank, size, rng)
            case BenchmarkSource(clips):
                return clips.draw(self.config.frames, size, rng)
            case DescribedSource(pictures):
                config = self.config
                return draw_described_clip(pictures, config.frames, size, config.expressions, config.absent, rng)
