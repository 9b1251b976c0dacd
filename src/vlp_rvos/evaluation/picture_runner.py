"""Run a model on described pictures. Shapes: E expressions, N things, (H, W) pixels of a picture."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.sources.described_pictures import DescribedPicture, PictureExpression
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.case_pictures import CasePicture, draw_masks
from vlp_rvos.evaluation.davis import boundary_measure
from vlp_rvos.evaluation.picture_scores import ExpressionOutcome, PictureScores
from vlp_rvos.evaluation.prediction import FramePrediction, Predictor
from vlp_rvos.evaluation.word_kinds import kind_by_words

__all__ = ["evaluate_pictures", "mask_ious"]

CASES_OF_PICTURE = 2
"""Largest number of worst cases of one picture, so that a report shows many."""

_Asked = tuple[ExpressionOutcome, NDArray[np.bool_], NDArray[np.bool_] | None]
"""The outcome of an expression, its predicted mask and its true one; None if it is false."""


def evaluate_pictures(
    pictures: Iterable[DescribedPicture],
    predict: Predictor,
    default_threshold: float,
    *,
    worst: int = 0,
    on_picture: Callable[[int], object] = lambda _: None,
) -> tuple[PictureScores, list[CasePicture]]:
    """Ask a model for everything that is said about each picture; pictures without expressions are passed over.

    A picture is a video of one frame, whose features all its expressions share.

    Args:
        pictures: the pictures.
        predict: the model, run with a presence threshold of 0, so that it leaves no mask empty for its presence.
        default_threshold: presence, in [0, 1], below which the model leaves a mask empty for its users.
        worst: number of pictures to draw, of the true expressions with the lowest IoU, at most two of each picture; of
            those with the same IoU the ones that the model is surer of come first.
        on_picture: called after each picture with the number of pictures done.

    Returns:
        The scores, and the drawn pictures, the worst one first.

    Raises:
        UserError: a picture or a mask cannot be read, or there is nothing to score.
    """
    scores = PictureScores(default_threshold)
    cases = _WorstCases(worst)
    for done, picture in enumerate((picture for picture in pictures if picture.expressions), 1):
        image = picture.load_image()
        (prediction,) = predict([image], [expression.text for expression in picture.expressions])
        masks = np.array([thing.mask() for thing in picture.things]).reshape(-1, *picture.size)
        found = list(_outcomes(picture, prediction, masks))
        scores.outcomes += [outcome for outcome, _, _ in found]
        cases.consider(image, found)
        on_picture(done)
    if not scores.outcomes:
        raise UserError("no picture there has an expression: there is nothing to score")
    return scores, cases.drawn()


def mask_ious(mask: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.float64]:
    """IoU of a mask with other ones.

    Args:
        mask: (H, W) bool.
        others: (N, H, W) bool.

    Returns:
        (N,) float64 in [0, 1]; 0 where both masks are empty.
    """
    flat = others.reshape(len(others), mask.size)
    inside = np.flatnonzero(mask)
    common = np.count_nonzero(flat[:, inside], axis=1)
    union = inside.size + np.count_nonzero(flat, axis=1) - common
    return np.asarray(common / np.maximum(union, 1), np.float64)


def _outcomes(picture: DescribedPicture, prediction: FramePrediction, things: NDArray[np.bool_]) -> Iterator[_Asked]:
    """For each expression: its outcome, its predicted mask and its true one."""
    ids = [thing.id for thing in picture.things]
    candidates = [place for place, thing in enumerate(picture.things) if not thing.is_crowd]
    counts: dict[str, int] = {}
    for expression, mask, presence in zip(
        picture.expressions, np.asarray(prediction.masks, bool), prediction.presences, strict=True
    ):
        number = counts[expression.origin] = counts.get(expression.origin, -1) + 1
        meant = [ids.index(i) for i in expression.thing_ids]
        truth = np.logical_or.reduce(things[meant]) if meant else None
        ious = mask_ious(mask, things[candidates])
        best = _best(ious)
        outcome = ExpressionOutcome(
            picture=picture.name,
            id=f"{expression.origin}-{number}",
            text=expression.text,
            origin=expression.origin,
            kind=kind_by_words(expression.text, len(meant)),
            thing_ids=expression.thing_ids,
            presence=float(presence),
            has_pixels=bool(mask.any()),
            iou=None if truth is None else float(mask_ious(mask, truth[None])[0]),
            f=None if truth is None else boundary_measure(mask, truth),
            best_thing=None if best is None else ids[candidates[best]],
            is_right=_is_right(expression, meant, candidates, ious, best),
            candidates=len(candidates),
        )
        yield outcome, mask, truth


def _best(ious: NDArray[np.float64]) -> int | None:
    return int(ious.argmax()) if ious.size and ious.max() > 0 else None


def _is_right(
    expression: PictureExpression,
    meant: Sequence[int],
    candidates: Sequence[int],
    ious: NDArray[np.float64],
    best: int | None,
) -> bool | None:
    if len(expression.thing_ids) != 1 or meant[0] not in candidates:
        return None
    return best is not None and candidates[best] == meant[0] and bool((ious == ious[best]).sum() == 1)


@dataclass
class _WorstCases:
    """Keeps the worst cases, drawn: pictures of a whole data set would not fit into memory.

    Attributes:
        limit: number of cases to keep.
        kept: heap of (minus IoU, presence, minus number of the case, picture); the best one, which goes next, first.
    """

    limit: int
    kept: list[tuple[float, float, int, CasePicture]] = field(default_factory=list)
    seen: int = 0

    def consider(self, image: NDArray[np.uint8], asked: Iterable[_Asked]) -> None:
        """Take the expressions of the next picture."""
        if not self.limit:
            return
        ranked = []
        for outcome, mask, truth in asked:
            if truth is not None and outcome.iou is not None:
                self.seen += 1
                ranked.append(((-outcome.iou, outcome.presence, -self.seen), outcome, mask, truth))
        ranked.sort(key=lambda case: case[0], reverse=True)
        for rank, outcome, mask, truth in ranked[:CASES_OF_PICTURE]:
            if len(self.kept) == self.limit and rank <= self.kept[0][:3]:
                continue
            caption = f"{outcome.kind}: IoU {-100 * rank[0]:.1f}, presence {100 * outcome.presence:.0f}"
            drawn = CasePicture(outcome.picture, outcome.id, caption, draw_masks(image, mask, truth))
            heapq.heappush(self.kept, (*rank, drawn))
            if len(self.kept) > self.limit:
                heapq.heappop(self.kept)

    def drawn(self) -> list[CasePicture]:
        return [picture for *_, picture in sorted(self.kept, key=lambda case: case[:3], reverse=True)]
