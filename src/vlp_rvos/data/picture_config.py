"""The configuration of pictures with outlined things, which the candidate path is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from vlp_rvos.data.sources.holdout import DESCRIBED_SHARE
from vlp_rvos.utils.ranges import SHARE, Range, check_ranges

__all__ = ["PictureSource"]


@dataclass(frozen=True)
class PictureSource:
    """One data set of pictures with outlined things.

    Attributes:
        folder: Folder of the data set, relative to `MixtureConfig.root` unless absolute.
        kind: "pictures" (COCO layout, with or without files of expressions beside it, see
            `vlp_rvos.data.sources.described_pictures`) or "videos" (Ref-YouTube-VOS layout), whose frames are pictures.
        weight: How often pictures come from it, relative to the other sources.
        collections: Which of a COCO list's collections are taken (`source` of its images); empty for all.
        expressions: Further files of expressions about its pictures, beside those in the folder: names of files that
            come with the package (`vlp_rvos.data.further_expressions`), or paths relative to `MixtureConfig.root`.
        complete: Whether all things in a picture are outlined. Where not, what is not outlined counts little as "no
            thing".
        generated: Whether expressions are generated about its pictures; never about frames of videos.
        hold_out_share: Share of the pictures, or videos, that is held out, chosen by the hash of their names.
        frames: Largest number of frames that are taken of a video, evenly spread; 0 for all.
        clips: Number of clips of consecutive frames that are taken of a video as well, for what needs motion.
        stride: Distance between two frames of such a clip.
        views: Number of further views of each picture of which people say something, with other margins and colours,
            every other one mirrored; see `vlp_rvos.data.picture_views.draw_variant`. Only the choice uses them.
        line_ups: Number of further pictures in which two to four pictures of the source stand side by side, so that
            things can be told apart by their looks; see `vlp_rvos.data.line_ups`. What people say of one of
            them is said of it there too, unless the others may fit. For collections whose pictures show one thing, or
            one person. Only the choice uses them.
        foreign: Probability that a drawn picture gets an expression of another picture, which is then taken to be true
            of nothing in it. Only for data sets in which hardly two pictures show the same.
    """

    folder: str
    kind: Literal["pictures", "videos"] = "pictures"
    weight: Annotated[float, Range(0, 10**6, above_low=True)] = 1.0
    collections: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    complete: bool = False
    generated: bool = True
    hold_out_share: Annotated[float, SHARE] = DESCRIBED_SHARE
    frames: Annotated[int, Range(0, 10**6)] = 0
    clips: Annotated[int, Range(0, 1000)] = 0
    stride: Annotated[int, Range(1, 1000)] = 1
    views: Annotated[int, Range(0, 1000)] = 0
    line_ups: Annotated[int, Range(0, 10**6)] = 0
    foreign: Annotated[float, SHARE] = 0.0

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.kind == "videos":
            for name in ("collections", "expressions", "line_ups"):
                if getattr(self, name):
                    raise ValueError(f"{name} of {self.folder}: only sources of the kind pictures have them")
