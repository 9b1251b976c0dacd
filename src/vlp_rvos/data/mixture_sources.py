"""Opens the data sets of a mixture, and gives each split its part of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlp_rvos.data.mixture_config import MixtureConfig, Source
from vlp_rvos.data.outlined_pictures import OutlinedPicture
from vlp_rvos.data.picture_sources import open_available
from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.sources.holdout import is_held_out
from vlp_rvos.data.sources.ytvos import VideoEntry, YTVOSDataset
from vlp_rvos.data.synthesis.benchmark_clips import BenchmarkClips, open_benchmark_clips
from vlp_rvos.data.synthesis.stills import StillBank
from vlp_rvos.errors import UserError, VLPRVOSWarning

__all__ = [
    "BenchmarkSource",
    "DescribedSource",
    "MixtureSources",
    "Split",
    "StillSource",
    "VideoSource",
    "open_sources",
]

Split = Literal["train", "holdout"]


@dataclass(frozen=True)
class VideoSource:
    """Videos with expressions.

    Attributes:
        dataset: The data set.
        videos: Its videos of this split, each with an expression that names its object.
        weight: How often samples come from it, relative to the other sources.
    """

    dataset: YTVOSDataset
    videos: tuple[VideoEntry, ...]
    weight: float


@dataclass(frozen=True)
class StillSource:
    """Still pictures.

    Attributes:
        bank: The pictures of this split.
        weight: How often samples come from it, relative to the other sources.
    """

    bank: StillBank
    weight: float


@dataclass(frozen=True)
class BenchmarkSource:
    """A published benchmark.

    Attributes:
        clips: Samples of its videos of this split.
        weight: How often samples come from it, relative to the other sources.
    """

    clips: BenchmarkClips
    weight: float


@dataclass(frozen=True)
class DescribedSource:
    """Pictures with what people say of them.

    Attributes:
        pictures: The pictures of this split, each with an expression that is true of something.
        weight: How often samples come from it, relative to the other sources.
    """

    pictures: tuple[OutlinedPicture, ...]
    weight: float


@dataclass(frozen=True)
class MixtureSources:
    """The sources of one split that are not empty, by kind."""

    videos: tuple[VideoSource, ...]
    stills: tuple[StillSource, ...]
    benchmarks: tuple[BenchmarkSource, ...]
    described: tuple[DescribedSource, ...] = ()

    @property
    def all(self) -> tuple[VideoSource | StillSource | BenchmarkSource | DescribedSource, ...]:
        """All sources: videos, stills, benchmarks, described pictures."""
        return (*self.videos, *self.stills, *self.benchmarks, *self.described)


def open_sources(config: MixtureConfig, split: Split) -> MixtureSources:
    """Opens the data sets of a mixture.

    Args:
        config: What to mix.
        split: "train", or "holdout" for what training never sees.

    Raises:
        UserError: A data set is missing or broken, a held-out video is in none of them, or the split is empty.

    Warns:
        VLPRVOSWarning: Nothing can be learned from some of the videos.
    """
    videos: list[VideoSource] = []
    stills: list[StillSource] = []
    benchmarks: list[BenchmarkSource] = []
    unknown = set(config.hold_out)
    for source in config.sources:
        folder = Path(config.root) / source.folder
        if source.kind == "videos":
            images = None if source.images is None else Path(config.root) / source.images
            dataset = YTVOSDataset(folder, images)
            usable = [v for v in dataset.videos if any(e.is_usable for e in v.expressions)]
            # The reader itself tells of videos without expressions.
            unnamed = [
                v.name for v in dataset.videos if v.expressions and all(e.object_id is None for e in v.expressions)
            ]
            if unnamed:
                message = (
                    f"{dataset.meta_file}: the expressions of {len(unnamed)} of {len(dataset.videos)} videos name no"
                    f" object (obj_id), so that nothing is learned from them (first: {unnamed[0]!r:.80})"
                )
                warnings.warn(message, VLPRVOSWarning, stacklevel=2)
            unknown -= {video.name for video in usable}
            share = source.hold_out_share
            held = {v.name for v in usable if v.name in config.hold_out or is_held_out(v.name, share)}
            chosen = tuple(v for v in usable if (v.name in held) == (split == "holdout"))
            if source.folded and split == "train":
                chosen = tuple(video for video in chosen if not config.leaves_out(video.name))
            if chosen:
                videos.append(VideoSource(dataset, chosen, source.weight))
        elif source.kind == "stills":
            bank = _open_stills(folder, config.hold_out_share, split)
            if bank.images:
                stills.append(StillSource(bank, source.weight))
        else:
            clips = _open_benchmark(source, folder, config, split)
            if clips.videos:
                benchmarks.append(BenchmarkSource(clips, source.weight))
    if unknown:
        raise UserError(
            f"hold_out names {', '.join(sorted(unknown))}, but no source has such a video: correct the name"
        )
    described = _open_described(config, split)
    if not videos and not stills and not benchmarks and not described:
        raise UserError(f"no data is left for the split '{split}': change hold_out or hold_out_share")
    return MixtureSources(tuple(videos), tuple(stills), tuple(benchmarks), described)


def _open_described(config: MixtureConfig, split: Split) -> tuple[DescribedSource, ...]:
    found = []
    for opened in open_available(config.described, config):
        of_split = opened.held_out
        if split == "train":
            of_split = tuple(picture for picture in opened.training if not config.leaves_out(picture.unit))
        pictures = tuple(picture for picture in of_split if any(x.thing_ids for x in picture.expressions))
        if pictures:
            found.append(DescribedSource(pictures, opened.source.weight))
    return tuple(found)


def _open_stills(folder: Path, hold_out_share: float, split: Split) -> StillBank:
    coco = CocoFolder(folder)
    names = {image.file_name for image in coco.images}
    return StillBank(coco, {name for name in names if is_held_out(name, hold_out_share) == (split == "holdout")})


def _open_benchmark(source: Source, folder: Path, config: MixtureConfig, split: Split) -> BenchmarkClips:
    assert source.name is not None
    return open_benchmark_clips(
        source.name,
        folder,
        source.split,
        held_out=split == "holdout",
        share=config.hold_out_share,
        expressions=config.expressions,
        keep_aspect=config.keep_aspect,
    )
