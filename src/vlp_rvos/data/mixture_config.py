"""What a model is trained on: the data sets, and how samples are made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vlp_rvos.data.benchmarks import benchmark_names

__all__ = ["MixtureConfig", "Source"]


@dataclass(frozen=True)
class Source:
    """One data set of a mixture.

    Attributes:
        kind: "videos" (Ref-YouTube-VOS layout) and "stills" (COCO layout), of which scenes are composed and described;
            or "benchmark", a published one with its own expressions and nothing else.
        folder: of the data set, relative to `MixtureConfig.root` unless absolute.
        weight: how often samples come from it, relative to the other sources.
        name: of the benchmark, one of `benchmark_names()`.
        split: of the benchmark.
        images: of "videos", a folder whose pictures are used, relative to `MixtureConfig.root` unless absolute: for
            annotations of another data set's pictures.
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
            raise ValueError(f"images of {self.folder}: only sources of the kind videos have them elsewhere")
        if self.kind == "benchmark" and self.name not in benchmark_names():
            raise ValueError(f"name of a benchmark must be one of {', '.join(benchmark_names())}, not {self.name}")


@dataclass(frozen=True)
class MixtureConfig:
    """What a model is trained on.

    Attributes:
        root: folder that the sources' folders are relative to.
        sources: the data sets.
        clip_length: frames T of each clip of a sample.
        clips: consecutive clips of a sample; one of one frame is a still picture, asked about without motion words.
        height, width: of the frames, pixels; 0, in the configuration of a training, for the model's input size.
        keep_aspect: whether frames of benchmarks keep their aspect ratio: a window is cut out of them, and not all of
            them is squeezed into `height` and `width`. As in the config of the model.
        expressions: most expressions of one sample.
        absent: share of expressions that refer to nothing, where they are made; benchmarks bring their own.
        paste_on_stills, paste_on_videos: how often cut-outs are pasted.
        twins: share of the stills' clips with two cut-outs of one category that only their motion tells apart.
        mounted: share of the stills' clips and pictures with a pasted person on something that people ride, or with
            the objects of a video that has several.
        portrait: share of samples with height and width exchanged. It is decided for eight samples in a row, so that
            batches of 1, 2, 4 or 8 have one size.
        hold_out: names of videos, of sources of that kind, that are kept for validation.
        hold_out_share: share of the stills that is kept for validation, chosen by file name; so also of a benchmark's
            videos, unless the benchmark has its own validation split with public masks.
        seed: of all samples.
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
        """Frames F of a sample."""
        return self.clips * self.clip_length

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the frames.

        Raises:
            ValueError: it is still to be taken from a model.
        """
        if not self.height or not self.width:
            raise ValueError("height and width are those of a model: see `sized`")
        return self.height, self.width

    def sized(self, side: int) -> MixtureConfig:
        """The same with the input size of a model where this one leaves it open."""
        return replace(self, height=self.height or side, width=self.width or side)
