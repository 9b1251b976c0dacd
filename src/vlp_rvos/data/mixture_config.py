"""The configuration of the training data: which data sets, and how samples are made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vlp_rvos.data.benchmarks import benchmark_names

__all__ = ["MixtureConfig", "Source"]


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
    """

    kind: Literal["videos", "stills", "benchmark"]
    folder: str
    weight: float = 1.0
    name: str | None = None
    split: str = "train"
    images: str | None = None

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError(f"weight of {self.folder} must be greater than 0, not {self.weight}")
        if self.images is not None and self.kind != "videos":
            raise ValueError(f"images of {self.folder}: only sources of the kind videos take pictures from elsewhere")
        if self.kind == "benchmark" and self.name not in benchmark_names():
            raise ValueError(f"name of a benchmark must be one of {', '.join(benchmark_names())}, not {self.name}")


@dataclass(frozen=True)
class MixtureConfig:
    """What a model is trained on.

    Attributes:
        root: Folder that the folders of the sources are relative to.
        sources: The data sets.
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
        seed: Seed of all samples.
    """

    root: str = "data"
    sources: tuple[Source, ...] = (Source("videos", "davis16/train", 0.45), Source("stills", "stills", 0.55))
    clip_length: int = 4
    clips: int = 2
    height: int = 224
    width: int = 384
    keep_aspect: bool = False
    expressions: int = 3
    absent: float = 0.18
    paste_on_stills: float = 0.7
    paste_on_videos: float = 0.5
    twins: float = 0.0
    mounted: float = 0.0
    portrait: float = 0.0
    hold_out: tuple[str, ...] = ()
    hold_out_share: float = 0.08
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("sources must name at least one data set")
        sides = [side for side in (self.height, self.width) if side != 0]
        if min(self.clip_length, self.clips, self.expressions) < 1 or min(sides, default=32) < 32:
            raise ValueError("clip_length, clips and expressions must be at least 1, height and width at least 32")
        for name in ("absent", "paste_on_stills", "paste_on_videos", "twins", "mounted", "portrait", "hold_out_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share from 0 to 1, not {getattr(self, name)}")

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
