"""The configuration of the training data: which data sets, and how samples are made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from vlp_rvos.data.benchmarks import benchmark_names
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.sources.holdout import fold_of
from vlp_rvos.utils.ranges import MAX_SEED, SHARE, Range, check_ranges

__all__ = ["MAX_FRAMES", "MAX_SIDE", "MIN_SIDE", "MixtureConfig", "Source", "check_pixels"]

MIN_SIDE, MAX_SIDE = 32, 8192
"""Smallest and largest height and width of a frame in pixels."""
MAX_FRAMES = 1000
"""Largest number of frames of a clip, and of clips of a sample."""
MAX_PIXELS = 2**31
"""Largest number of pixels of a batch: 6 GiB before anything is computed."""


def check_pixels(height: int, width: int, frames: int) -> None:
    """Refuse sizes that no memory holds.

    Args:
        height: Height of a frame in pixels.
        width: Width of a frame in pixels.
        frames: Number of frames of a batch, or of a sample.

    Raises:
        ValueError: Together they have more than `MAX_PIXELS` pixels.
    """
    if (pixels := height * width * frames) > MAX_PIXELS:
        raise ValueError(f"{frames} frames of {width}x{height} have {pixels:.2g} pixels, more than {MAX_PIXELS:.2g}")


@dataclass(frozen=True)
class Source:
    """One data set of a mixture.

    Attributes:
        kind: "videos" (Ref-YouTube-VOS layout) or "stills" (COCO layout), from which scenes are composed and described;
            or "benchmark", a published one with its own expressions and nothing else.
        folder: Folder of the data set, relative to `MixtureConfig.root` unless absolute.
        weight: How often samples come from it, relative to the other sources.
        name: Name of the benchmark, one of `benchmark_names()`; only for the kind "benchmark".
        split: Split of the benchmark that is trained on.
        images: Folder with the pictures, relative to `MixtureConfig.root` unless absolute, for annotations of another
            data set's pictures; only for the kind "videos". None: they are in `folder`.
        hold_out_share: Share of the videos that is kept for validation, chosen by the hash of their names, beside those
            of `MixtureConfig.hold_out`; only for the kind "videos".
        folded: Whether its videos belong to folds (`MixtureConfig.left_out`); only for the kind "videos".
    """

    kind: Literal["videos", "stills", "benchmark"]
    folder: str
    weight: Annotated[float, Range(0, 10**6, above_low=True)] = 1.0
    name: str | None = None
    split: str = "train"
    images: str | None = None
    hold_out_share: Annotated[float, SHARE] = 0.0
    folded: bool = False

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.folded and self.kind != "videos":
            raise ValueError(f"folded of {self.folder}: only sources of the kind videos can be folded")
        if self.images is not None and self.kind != "videos":
            raise ValueError(f"images of {self.folder}: only sources of the kind videos take pictures from elsewhere")
        if self.hold_out_share and self.kind != "videos":
            raise ValueError(f"hold_out_share of {self.folder}: only sources of the kind videos have one of their own")
        if self.kind == "benchmark" and self.name not in benchmark_names():
            raise ValueError(f"name of a benchmark must be one of {', '.join(benchmark_names())}, not {self.name}")


@dataclass(frozen=True)
class MixtureConfig:
    """What a model is trained on.

    Attributes:
        root: Folder that the folders of the sources are relative to. It is itself relative to the working directory.
        sources: The data sets.
        described: Pictures with what people say of them, drawn beside the sources, with weights on the same scale.
            Those that are not there are passed over.
        clip_length: Number of frames T of each clip.
        clips: Number of consecutive clips of a sample. One clip of one frame is a still picture; its expressions do
            not mention motion.
        height, width: Size of the frames in pixels. In the configuration of a training, 0 stands for the model's
            input size.
        keep_aspect: Whether frames of benchmarks keep their aspect ratio: a window of them is cut out, instead of
            squeezing all of them into `height` and `width`. Must be as in the configuration of the model.
        expressions: Largest number of expressions of a sample.
        absent: Share of expressions that refer to nothing. Benchmarks bring their own.
        paste_on_stills, paste_on_videos: Share of the clips from stills and from videos that get cut-outs pasted in.
        twins: Share of the clips from stills with two cut-outs of one category that only their motion tells apart.
        mounted: Share of the clips and pictures from stills with a pasted person on something that people ride, or
            with the objects of a video that has several.
        portrait: Share of samples with height and width exchanged. Eight samples in a row are alike, so that batches
            of 1, 2, 4 or 8 have one size.
        hold_out: Names of videos, from sources of the kind "videos", that are kept for validation.
        hold_out_share: Share of the stills that is kept for validation, chosen by file name. It also applies to the
            videos of a benchmark, unless that has its own validation split with public masks.
        find_sources: Whether other data sets in `root` are taken where not all of `sources` are there; see
            `vlp_rvos.data.own_data`.
        folds: Number of folds that the described pictures and the videos of folded sources are divided into, by the
            hash of their names.
        left_out: Numbers of the folds that are not trained on. A training that forks sets it (`training.forks`).
        seed: Seed of all samples.
    """

    root: str = "data"
    sources: tuple[Source, ...] = (Source("videos", "davis16/train", 0.45), Source("stills", "stills", 0.55))
    described: tuple[PictureSource, ...] = ()
    clip_length: Annotated[int, Range(1, MAX_FRAMES)] = 4
    clips: Annotated[int, Range(1, MAX_FRAMES)] = 2
    height: Annotated[int, Range(0, MAX_SIDE)] = 224
    width: Annotated[int, Range(0, MAX_SIDE)] = 384
    keep_aspect: bool = False
    expressions: Annotated[int, Range(1, 100)] = 3
    absent: Annotated[float, SHARE] = 0.18
    paste_on_stills: Annotated[float, SHARE] = 0.7
    paste_on_videos: Annotated[float, SHARE] = 0.5
    twins: Annotated[float, SHARE] = 0.0
    mounted: Annotated[float, SHARE] = 0.0
    portrait: Annotated[float, SHARE] = 0.0
    hold_out: tuple[str, ...] = ()
    hold_out_share: Annotated[float, SHARE] = 0.08
    find_sources: bool = False
    folds: Annotated[int, Range(1, 100)] = 1
    left_out: tuple[Annotated[int, Range(0, 99)], ...] = ()
    seed: Annotated[int, Range(0, MAX_SEED)] = 0

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.sources:
            raise ValueError("sources must name at least one data set")
        if any(0 < side < MIN_SIDE for side in (self.height, self.width)):
            raise ValueError(f"height and width must be at least {MIN_SIDE}, or 0 for the model's input size")
        if any(fold >= self.folds for fold in self.left_out):
            raise ValueError(f"left_out must be folds from 0 to {self.folds - 1}, not {list(self.left_out)}")
        check_pixels(self.height, self.width, self.frames)

    def leaves_out(self, name: str) -> bool:
        """Whether the picture or video of this name, if it belongs to a fold, is in one that is left out."""
        return bool(self.left_out) and fold_of(name, self.folds) in self.left_out

    @property
    def frames(self) -> int:
        """Number of frames F of a sample."""
        return self.clips * self.clip_length

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the frames.

        Raises:
            ValueError: The configuration leaves it to the model.
        """
        if not self.height or not self.width:
            raise ValueError("height and width are those of a model: see `with_input_size`")
        return self.height, self.width

    def with_input_size(self, side: int) -> MixtureConfig:
        """A copy that has a model's input size where this configuration leaves the size to the model."""
        return replace(self, height=self.height or side, width=self.width or side)
