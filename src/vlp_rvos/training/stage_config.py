"""The configuration of the stages that train the candidate path, after the dense head. [D]"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vlp_rvos.data.mixture_config import MAX_SIDE, MIN_SIDE, check_pixels
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.utils.ranges import ANY_COUNT, SHARE, Range, check_ranges

__all__ = ["AgreementStage", "CandidateStage", "ChoiceStage", "RefinementStage", "StageBudget"]

RATE = Range(0, 100, above_low=True)
MINUTES = Range(0, 10**7, above_low=True)


@dataclass(frozen=True)
class StageBudget:
    """How long a stage trains, and how fast it learns. The rate falls from `lr` along half a cosine.

    Attributes:
        steps: number of optimizer steps after which a cycle ends, unless `time_limit_minutes` ends it earlier.
        time_limit_minutes: minutes of training, over all parts of an interrupted run, after which a cycle ends; None
            for no limit. The rate then follows `max(step / steps, elapsed / limit)`.
        lr: learning rate.
        warmup_steps: number of first steps over which the rate grows from near 0.
        floor: factor on the rate that is reached at the end.
        weight_decay: weight decay of everything that is a matrix or more.
        grad_clip: largest norm of the gradient.
        ema: decay of the exponential moving average, which is what the stage leaves.
        cycles: how often the rate rises and falls again; `steps` and `time_limit_minutes` hold for each cycle. The
            stage leaves the mean of what the cycles end with.
        start_share: share of what the stage began with in what it leaves, for parts that were trained before.
        val_pictures: number of held-out pictures that the stage is measured on at its end; 0 for none.
    """

    steps: Annotated[int, ANY_COUNT] = 10_000
    time_limit_minutes: Annotated[float, MINUTES] | None = None
    lr: Annotated[float, RATE] = 1e-3
    warmup_steps: Annotated[int, Range(0, 10**9)] = 150
    floor: Annotated[float, SHARE] = 0.02
    weight_decay: Annotated[float, Range(0, 100)] = 0.05
    grad_clip: Annotated[float, Range(0, 10**6, above_low=True)] = 5.0
    ema: Annotated[float, Range(0, 1, below_high=True)] = 0.998
    cycles: Annotated[int, Range(1, 100)] = 1
    start_share: Annotated[float, SHARE] = 0.0
    val_pictures: Annotated[int, Range(0, 10**6)] = 200

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class CandidateStage(StageBudget):
    """Trains the head that proposes candidates, on views of pictures with outlined things.

    Attributes not listed here are those of `StageBudget`.

    Attributes:
        batch: number of pictures per step.
        sizes: sizes (H, W) of the views; all pictures of a step have one size.
        size_weights: how often each of the sizes is drawn, relative to the others; empty for equally often.
        sources: data sets of pictures and videos. Where none of them is there, those of `data` are taken.
    """

    batch: Annotated[int, Range(1, 4096)] = 4
    sizes: tuple[tuple[int, int], ...] = ((384, 512), (288, 512), (512, 384), (448, 448))
    size_weights: tuple[Annotated[float, Range(0, 10**6, above_low=True)], ...] = ()
    sources: tuple[PictureSource, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.sizes:
            raise ValueError("sizes must name at least one size")
        for height, width in self.sizes:
            if any(side not in Range(MIN_SIDE, MAX_SIDE) or side % 32 for side in (height, width)):
                raise ValueError(f"sizes must be multiples of 32 from {MIN_SIDE} to {MAX_SIDE}, not {height}x{width}")
            check_pixels(height, width, self.batch)
        if self.size_weights and len(self.size_weights) != len(self.sizes):
            raise ValueError("size_weights must have one number for each of sizes")


@dataclass(frozen=True)
class RefinementStage(CandidateStage):
    """Trains what redraws masks, on views of pictures with outlined things.

    Attributes not listed here are those of `CandidateStage`.

    Attributes:
        things: largest number of things of a picture whose masks are redrawn in a step.
        proposed: share of the things that are learned from the mask that the model itself proposes, where one fits; the
            others are learned from their outline, blurred.
        spoilt: share of these masks that are spoilt further, see `vlp_rvos.training.rough_masks`.
    """

    batch: Annotated[int, Range(1, 4096)] = 2
    weight_decay: Annotated[float, Range(0, 100)] = 1e-3
    grad_clip: Annotated[float, Range(0, 10**6, above_low=True)] = 1.0
    things: Annotated[int, Range(1, 1000)] = 4
    proposed: Annotated[float, SHARE] = 0.92
    spoilt: Annotated[float, SHARE] = 0.45


@dataclass(frozen=True)
class ChoiceStage(StageBudget):
    """Trains the choice among candidates, on descriptions of pictures that are computed once.

    Attributes not listed here are those of `StageBudget`.

    Attributes:
        pictures: number of pictures per step.
        expressions: largest number of expressions about a picture in a step.
        generated: number of expressions that are generated about each picture and about its mirror image.
        generated_in_step: how many of `expressions` are generated ones, where a picture has both kinds.
        undescribed: weight of a picture of which people say nothing, relative to the others of its source. Where
            nothing is said of any picture of a source, all of them count alike.
        undescribed_pictures: largest number of such pictures that are taken of a source.
        evidence_dropout: share of expressions for which it stays hidden what the dense head says.
        inserted: largest number of things that the candidates miss and whose exact outlines are put in their place.
        clips: number of clips of the mixture of `data` that are learned from as well: only in clips do things move.
        clip_expressions: largest number of expressions about such a clip.
        clip_weight: how often they are drawn, relative to the sources.
        sources: data sets of pictures and videos. Where none of them is there, those of `data` are taken.
    """

    lr: Annotated[float, RATE] = 5e-4
    warmup_steps: Annotated[int, Range(0, 10**9)] = 200
    grad_clip: Annotated[float, Range(0, 10**6, above_low=True)] = 1.0
    pictures: Annotated[int, Range(1, 4096)] = 8
    expressions: Annotated[int, Range(1, 1000)] = 8
    generated: Annotated[int, Range(0, 1000)] = 12
    generated_in_step: Annotated[int, Range(0, 1000)] = 3
    undescribed: Annotated[float, SHARE] = 0.35
    undescribed_pictures: Annotated[int, Range(0, 10**6)] = 300
    evidence_dropout: Annotated[float, SHARE] = 0.3
    inserted: Annotated[int, Range(0, 100)] = 8
    clips: Annotated[int, Range(0, 10**6)] = 0
    clip_expressions: Annotated[int, Range(1, 100)] = 5
    clip_weight: Annotated[float, Range(0, 10**6, above_low=True)] = 0.25
    sources: tuple[PictureSource, ...] = ()


@dataclass(frozen=True)
class AgreementStage(StageBudget):
    """Fits how candidates and dense head are joined, and calibrates presence, on what the stage before has computed.

    Attributes not listed here are those of `StageBudget`.

    Attributes:
        expressions: number of expressions per step.
        pictures: largest number of training pictures whose masks are kept and learned from.
        noise: standard deviation of what is added to the scores of the choice, which is surer of what it was trained on
            than of anything else.
        kept: share of the true expressions whose masks the presence threshold keeps.
    """

    steps: Annotated[int, ANY_COUNT] = 1500
    lr: Annotated[float, RATE] = 5e-3
    weight_decay: Annotated[float, Range(0, 100)] = 0.0
    grad_clip: Annotated[float, Range(0, 10**6, above_low=True)] = 1.0
    ema: Annotated[float, Range(0, 1, below_high=True)] = 0.99
    expressions: Annotated[int, Range(1, 1000)] = 16
    pictures: Annotated[int, Range(1, 10**6)] = 500
    noise: Annotated[float, Range(0, 100)] = 1.0
    kept: Annotated[float, SHARE] = 0.95
