"""Things that were pointed at: found among the candidates of a frame, then followed from frame to frame. [D]

A thing consists of parts, each of which is one candidate of every frame that shows it. Further points add parts, or
take them away. No words and no training are needed. `[D]` marks our own decisions; `docs/method.md` explains the marks.
Shapes: P pointed things, T frames, K candidates of a frame, (h, w) positions of their masks, C channels of the looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.candidates import ABSENT, MASK_STRIDE, mask_overlaps
from vlp_rvos.models.descriptors import FrameThings
from vlp_rvos.models.tracks import look_of

__all__ = ["FollowedClip", "Mark", "MissedPoint", "Place", "PointedThing", "follow_things"]

#: x and y as shares of the frame's width and height.
Place = tuple[float, float]

#: Weights of likeness with a part's first look and with its later looks, of the overlap of masks, of being a thing at
#: all, and of the distance between the boxes' centres. `benchmarks/pointing.py` measures what they give.
FIRST_LOOK, LATER_LOOK, OVERLAP, OBJECTNESS, DISTANCE = 0.4, 0.4, 0.3, 0.4, 0.1
#: Share of the newest look in the later looks.
NEWEST = 0.3
#: Similarity below which a candidate is not the part.
LEAST_SIMILARITY = 0.5
#: Presence logit of a part: slope times how much its similarity exceeds the middle, fitted to how often a candidate of
#: such a similarity is the right one.
PRESENCE_SLOPE, PRESENCE_MIDDLE = 9.0, 0.78
#: Largest distance from a point to the mask of the candidate that it means, as a share of the frame's longer side.
NEAR = 0.03
#: Least overlap of a drawn mask with the candidates that stand for it.
LEAST_OVERLAP = 0.5
#: Share of a candidate that lies inside a drawn mask of which it is a part.
INSIDE = 0.7
#: Logit of a drawn mask and of what is known for certain.
CERTAIN = 8.0


@dataclass(frozen=True)
class Mark:
    """What the user marked of one thing in one frame.

    Attributes:
        thing: row of the thing, from 0.
        frame: index of the frame in its clip.
        include: points on the thing.
        exclude: points on what does not belong to it.
        drawn: (h, w) bool masks of it, of the size of the candidates' masks.
        drawn_looks: (C,) look of each drawn mask, of length 1.
    """

    thing: int
    frame: int
    include: tuple[Place, ...] = ()
    exclude: tuple[Place, ...] = ()
    drawn: tuple[Tensor, ...] = ()
    drawn_looks: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class MissedPoint:
    """A point at which nothing was found.

    Attributes:
        thing: row of the thing.
        frame: index of the frame in its clip.
        place: the point.
        include: whether it was to be on the thing.
    """

    thing: int
    frame: int
    place: Place
    include: bool


@dataclass(frozen=True)
class Part:
    """A part of a pointed thing, or of what is taken away from it, as it was seen last.

    Attributes:
        include: whether it belongs to the thing.
        first_look: (C,) look where it was pointed at, of length 1.
        look: (C,) mean of its later looks, the newest most, of length 1.
        box: (4,) left, top, right and bottom as shares of the frame.
        mask: (h, w) bool.
    """

    include: bool
    first_look: Tensor
    look: Tensor
    box: Tensor
    mask: Tensor

    def similarity(self, frame: _Frame) -> Tensor:
        """(K,) how likely each candidate of a frame is this part."""
        own = self.mask
        if own.shape != frame.masks.shape[1:]:
            own = F.interpolate(own[None, None].float(), frame.masks.shape[1:], mode="area")[0, 0] > 0.5
        way = (frame.boxes[:, :2] + frame.boxes[:, 2:] - self.box[:2] - self.box[2:]).norm(dim=1) / 2
        similarity: Tensor = (
            FIRST_LOOK * (frame.looks @ self.first_look).clamp(min=0)
            + LATER_LOOK * (frame.looks @ self.look).clamp(min=0)
            + OVERLAP * mask_overlaps(own[None], frame.masks)[0]
            + OBJECTNESS * frame.objectness
            - DISTANCE * way
        )
        return similarity

    def moved(self, box: Tensor, look: Tensor, mask: Tensor) -> Part:
        """The same part, seen again."""
        mixed = F.normalize((1 - NEWEST) * self.look + NEWEST * look, dim=0)
        return replace(self, look=mixed, box=box, mask=mask)


@dataclass(frozen=True)
class PointedThing:
    """What is remembered of a pointed thing; no parts before it was found."""

    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class FollowedClip:
    """What is said of the P pointed things in a clip.

    Attributes:
        mask_logits: (P, T, h, w), float32.
        presence_logits: (P, T).
        things: what is remembered for the next clip.
        missed: the points at which nothing was found.
    """

    mask_logits: Tensor
    presence_logits: Tensor
    things: tuple[PointedThing, ...]
    missed: tuple[MissedPoint, ...]


@dataclass
class _Frame:
    """The candidates of one frame: (K, 4) boxes as shares of it, (K, C) looks, (K,) objectness, (K, h, w) logits."""

    boxes: Tensor
    looks: Tensor
    objectness: Tensor
    logits: Tensor
    masks: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.masks = self.logits > 0

    @classmethod
    def of(cls, things: FrameThings) -> _Frame:
        candidates, descriptors = things
        height, width = candidates.mask_logits.shape[-2:]
        size = candidates.boxes.new_tensor([width, height, width, height]).float() * MASK_STRIDE
        return cls(
            candidates.boxes.float() / size,
            look_of(descriptors).float(),
            candidates.objectness.float(),
            candidates.mask_logits.float(),
        )

    def contains(self, places: Sequence[Place]) -> Tensor:
        """(K, N) bool, which candidates contain which points."""
        height, width = self.masks.shape[1:]
        columns = [min(int(x * width), width - 1) for x, _ in places]
        rows = [min(int(y * height), height - 1) for _, y in places]
        return self.masks[:, rows, columns]

    def nearest(self, place: Place) -> int | None:
        """The candidate whose mask is nearest to a point; None where none is near."""
        height, width = self.masks.shape[1:]
        y, x = torch.meshgrid(
            torch.arange(height, device=self.masks.device) + 0.5,
            torch.arange(width, device=self.masks.device) + 0.5,
            indexing="ij",
        )
        distance = torch.hypot(x - place[0] * width, y - place[1] * height) / max(height, width)
        distances = torch.where(self.masks, distance, math.inf).flatten(1).amin(1)
        index = int(distances.argmin())
        # A position of a mask reaches half a position beyond its middle.
        return index if float(distances[index]) <= NEAR + 0.5 / max(height, width) else None

    def part(self, index: int, include: bool) -> Part:
        look = self.looks[index]
        return Part(include, look, look, self.boxes[index], self.masks[index])


def follow_things(frames: Sequence[FrameThings], marks: Sequence[Mark], things: Sequence[PointedThing]) -> FollowedClip:
    """Follow pointed things through the next clip, in the order of its frames, be it that of time or its reverse.

    Args:
        frames: the candidates of each of the T frames, and what is known of them.
        marks: what was marked in these frames.
        things: what is remembered of the P things.
    """
    now, missed = list(things), []
    logits: list[Tensor] = []
    presences: list[list[float]] = []
    for t, given in enumerate(frames):
        frame = _Frame.of(given)
        rows = []
        for row, thing in enumerate(now):
            seen = _follow(thing, frame)
            for mark in (mark for mark in marks if (mark.thing, mark.frame) == (row, t)):
                seen, lost = _correct(seen, frame, mark)
                missed += lost
            now[row] = seen.thing
            rows.append(seen)
        logits.append(torch.stack([seen.logits for seen in rows]))
        presences.append([seen.presence for seen in rows])
    presence = torch.tensor(presences, device=logits[0].device).T
    return FollowedClip(torch.stack(logits, 1), presence, tuple(now), tuple(missed))


@dataclass(frozen=True)
class _Seen:
    """A thing in one frame: (h, w) logits of its mask, and the logit of its presence."""

    thing: PointedThing
    logits: Tensor
    presence: float


def _follow(thing: PointedThing, frame: _Frame) -> _Seen:
    """Find the parts of a thing again."""
    parts: list[Part] = []
    found: list[tuple[float, bool, Tensor]] = []
    for part in thing.parts:
        similar = part.similarity(frame)
        index = int(similar.argmax())
        best = float(similar[index])
        if best >= LEAST_SIMILARITY:
            part = part.moved(frame.boxes[index], frame.looks[index], frame.masks[index])
        parts.append(part)
        found.append((best, part.include, frame.logits[index]))
    included = [(best, logits) for best, include, logits in found if include]
    surest = max((best for best, _ in included), default=-math.inf)
    # Where no part is found, the likeliest one is shown to whoever wants to see it all the same.
    least = min(LEAST_SIMILARITY, surest)
    shown = [logits for best, logits in included if best >= least]
    away = [logits for best, include, logits in found if not include and best >= LEAST_SIMILARITY]
    presence = max(PRESENCE_SLOPE * (surest - PRESENCE_MIDDLE), -CERTAIN)
    return _Seen(PointedThing(tuple(parts)), _join(shown, away, frame), presence)


def _join(shown: Sequence[Tensor], away: Sequence[Tensor], frame: _Frame) -> Tensor:
    """(h, w) logits of what lies in one of the masks shown and in none of those taken away."""
    if not shown:
        return torch.full_like(frame.logits[0], ABSENT)
    logits = torch.stack(list(shown)).amax(0)
    return torch.minimum(logits, -torch.stack(list(away)).amax(0)) if away else logits


def _correct(seen: _Seen, frame: _Frame, mark: Mark) -> tuple[_Seen, list[MissedPoint]]:
    """Add what was marked, and take away what was marked as foreign."""
    missed: list[MissedPoint] = []
    # What is not seen here is replaced by what is pointed at.
    present = seen.presence > 0
    parts = list(seen.thing.parts) if present or not (mark.include or mark.drawn) else []
    for drawn, look in zip(mark.drawn, mark.drawn_looks, strict=True):
        parts += _drawn_parts(frame, drawn, look)
    parts = _exclude_parts(parts, mark)
    open_points = [place for place in mark.include if not any(part.include and _inside(part, place) for part in parts)]
    parts += [frame.part(index, True) for index in _choose(frame, open_points, mark, missed)]
    for place in mark.exclude:
        if any(part.include and _inside(part, place) for part in parts):
            index = _part_to_remove(frame, place, mark.include)
            if index is None:
                missed.append(MissedPoint(mark.thing, mark.frame, place, False))
            else:
                parts.append(frame.part(index, False))
    shown, away = ([_certain(part.mask, frame) for part in parts if part.include is side] for side in (True, False))
    presence = CERTAIN if shown else -CERTAIN
    return _Seen(PointedThing(tuple(parts)), _join(shown, away, frame), presence), missed


def _certain(mask: Tensor, frame: _Frame) -> Tensor:
    """Logits of a mask: those of the candidate that it is, else the same everywhere inside."""
    same = (frame.masks == mask).flatten(1).all(1).nonzero()
    return frame.logits[same[0, 0]] if len(same) else torch.where(mask, CERTAIN, -CERTAIN)


def _inside(part: Part, place: Place) -> bool:
    height, width = part.mask.shape
    return bool(part.mask[min(int(place[1] * height), height - 1), min(int(place[0] * width), width - 1)])


def _exclude_parts(parts: Sequence[Part], mark: Mark) -> list[Part]:
    """Without the parts that contain a point that is excluded and none that is included."""
    return [
        part
        for part in parts
        if not (part.include and any(_inside(part, place) for place in mark.exclude))
        or any(_inside(part, place) for place in mark.include)
    ]


def _choose(frame: _Frame, places: Sequence[Place], mark: Mark, missed: list[MissedPoint]) -> list[int]:
    """The candidates that contain points: first those that contain most of them and nothing excluded."""
    chosen: list[int] = []
    if not places:
        return chosen
    contains = frame.contains(places)
    foreign = frame.contains(mark.exclude).any(1) if mark.exclude else torch.zeros_like(contains[:, 0])
    left = torch.ones_like(contains[0])
    for allowed in (~foreign, foreign):
        while left.any():
            gain = (contains & left).sum(1) * allowed
            if not gain.any():
                break
            # Objectness is below 1, so the number of points comes first.
            index = int((gain + frame.objectness * (gain > 0)).argmax())
            chosen.append(index)
            left &= ~contains[index]
    for place in (place for place, is_left in zip(places, left.tolist(), strict=True) if is_left):
        near = frame.nearest(place)
        if near is None:
            missed.append(MissedPoint(mark.thing, mark.frame, place, True))
        elif near not in chosen:
            chosen.append(near)
    return chosen


def _part_to_remove(frame: _Frame, place: Place, include: Sequence[Place]) -> int | None:
    """The surest candidate that contains an excluded point and no included one."""
    fits = frame.contains([place])[:, 0]
    if include:
        fits = fits & ~frame.contains(include).any(1)
    return int((frame.objectness * fits).argmax()) if fits.any() else None


def _drawn_parts(frame: _Frame, drawn: Tensor, look: Tensor) -> list[Part]:
    """The candidates that a drawn mask covers; the mask itself where none fit it."""
    overlaps = mask_overlaps(drawn[None], frame.masks)[0]
    best = int(overlaps.argmax())
    covered = (frame.masks & drawn).flatten(1).sum(1) / frame.masks.flatten(1).sum(1).clamp(min=1)
    together = (covered >= INSIDE).nonzero()[:, 0].tolist()
    if together:
        union = frame.masks[together].any(0)
        if float(mask_overlaps(drawn[None], union[None])) > max(float(overlaps[best]), LEAST_OVERLAP):
            return [frame.part(index, True) for index in together]
    if float(overlaps[best]) >= LEAST_OVERLAP:
        return [frame.part(best, True)]
    rows, columns = drawn.any(1).nonzero()[:, 0], drawn.any(0).nonzero()[:, 0]
    height, width = drawn.shape
    ends = [columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height]
    return [Part(True, look, look, torch.stack(ends).float(), drawn)]
