"""Line-ups: several pictures side by side, with what people say of one of them and what can be generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vlp_rvos.data.language.invariance import holds_in_company
from vlp_rvos.data.language.nouns import called_kind, may_be_one_kind
from vlp_rvos.data.outlined_pictures import LoadedPicture, OutlinedPicture, StillPicture, generated_expressions
from vlp_rvos.data.sources.coco import CocoImage
from vlp_rvos.data.sources.described_pictures import PictureExpression
from vlp_rvos.data.synthesis.label_maps import mask_of
from vlp_rvos.data.synthesis.side_by_side import join_stills
from vlp_rvos.data.synthesis.stills import Still

__all__ = ["LineUp", "draw_line_up"]

#: How many pictures stand side by side, one line-up after the other.
SIZES = (2, 3, 4, 3)
#: Pictures join as long as the sum of their widths, uncut, is at most so many heights.
WIDEST = 3.5


class LineUp(OutlinedPicture):
    """Several pictures side by side.

    Args:
        pictures: The pictures, from left to right.
        seed: Decides how they are cut and scaled.
    """

    #: how the names of all line-ups begin
    NAMED = "line-up "

    def __init__(self, pictures: Sequence[StillPicture], seed: int) -> None:
        self.pictures, self.seed = pictures, seed
        #: id of a thing -> its annotation, in the order of the things
        self.annotations = {
            _id_in_line_up(picture.image, annotation.id): annotation
            for picture in pictures
            for annotation in picture.bank.coco.annotations_of(picture.image)
        }
        name = f"{self.NAMED}{seed}: {', '.join(picture.name for picture in pictures)}"
        super().__init__(name, [x for k in range(len(pictures)) for x in self._said_of(k)])

    def load(self) -> LoadedPicture:
        still = self._join()
        masks = np.stack([mask_of(still.labels, obj.labels) for obj in still.objects])
        crowd = tuple(annotation.crowd for annotation in self.annotations.values())
        return LoadedPicture(still.pixels, masks, tuple(self.annotations), crowd)

    def generate(self, rng: np.random.Generator, count: int, *, mirrored: bool = False) -> list[PictureExpression]:
        if not count:
            return []
        return generated_expressions(self._join(), tuple(self.annotations), rng, count, mirrored=mirrored)

    def _said_of(self, k: int) -> list[PictureExpression]:
        """What is said of one of the pictures and is true of its things among those of the others."""
        others = set[str]().union(*(_kinds(other) for other in self.pictures if other is not self.pictures[k]))
        return [
            replace(x, thing_ids=tuple(_id_in_line_up(self.pictures[k].image, i) for i in x.thing_ids))
            for x in self.pictures[k].expressions
            if not _clash({called_kind(x.text)}, others) and holds_in_company(x.text)
        ]

    def _join(self) -> Still:
        stills = [picture.bank.load(picture.image) for picture in self.pictures]
        return join_stills(stills, np.random.default_rng(self.seed))


def draw_line_up(pictures: Sequence[StillPicture], seed: int) -> LineUp | None:
    """Draw pictures whose things are called by different words, and line them up.

    Args:
        pictures: The pictures to draw from, as likely each.
        seed: Decides everything.

    Returns:
        The line-up, or None where no two pictures can stand together.
    """
    size, chosen, kinds, width = SIZES[seed % len(SIZES)], list[StillPicture](), set[str](), 0.0
    for k in np.random.default_rng(seed).permutation(len(pictures)):
        picture = pictures[int(k)]
        own, aspect = _kinds(picture), picture.image.width / picture.image.height
        # What is said of one picture may be true of another of which nothing is said.
        alike = _clash(own, kinds) or (chosen and bool(picture.expressions) != bool(chosen[0].expressions))
        if not alike and (len(chosen) < 2 or width + aspect < WIDEST):
            chosen.append(picture)
            kinds |= own
            width += aspect
        if len(chosen) == size:
            break
    return LineUp(chosen, seed) if len(chosen) > 1 else None


def _id_in_line_up(image: CocoImage, annotation: str) -> str:
    return f"{image.id}/{annotation}"


def _kinds(picture: OutlinedPicture) -> set[str]:
    """The kinds of things that people speak of in a picture."""
    return {called_kind(x.text) for x in picture.expressions if x.thing_ids}


def _clash(kinds: set[str], others: set[str]) -> bool:
    """Whether what two pictures show may be called by the same word."""
    return any(may_be_one_kind(kind, other) for kind in kinds for other in others)
