"""Follow the candidates of the frames of a clip, so that each thing of the clip is one candidate. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: T frames, K candidates of a frame, N
tracks, (h, w) positions of the masks, C channels of the looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.candidates import ABSENT, MASK_STRIDE, box_overlaps
from vlp_rvos.models.descriptors import MOTION, Descriptors, FrameThings

__all__ = [
    "RELATIVE_WAY",
    "Sightings",
    "Tracks",
    "follow",
    "greedy_pairs",
    "look_of",
    "match",
    "resampled",
    "similarity",
]

#: Similarity below which two candidates are not the same thing.
LEAST_SIMILARITY = 0.3
#: Weights of the overlap of boxes, of the looks, and of the distance between the boxes' centres. These, the least
#: similarity and the share below were chosen on the training videos: with all weights near a half and without any
#: preference for sure candidates, the best track covered 81 % of what was outlined in clips of two frames a second.
OVERLAP_WEIGHT, LOOK_WEIGHT, DISTANCE_WEIGHT = 0.2, 1.0, 0.2
#: Share of its last sighting in what a track looks like; the rest is of earlier ones.
LAST_LOOK = 0.5
#: Boxes are compared in thousandths of the frame, so that areas are far above the smallest one of `box_overlaps`.
BOX_SCALE = 1000
#: Movements are multiplied by this number, so that usual ones are near 1.
MOVEMENT_SCALE = 4
#: Largest factor by which a thing is said to have grown or shrunk.
LARGEST_GROWTH = 20
#: Where `_motion` says how far a thing moves right and down relative to the others.
RELATIVE_WAY = slice(3, 5)
#: Smallest movement of a side of a box, in positions of the masks, that moves a carried mask.
LEAST_MOVEMENT = 0.25
#: Largest factor by which a carried mask grows or shrinks.
LARGEST_ZOOM = 1.25


@dataclass
class Tracks:
    """The things of a clip, the surest first.

    Attributes:
        mask_logits: (T, N, h, w), `ABSENT` where a thing is not seen.
        seen: (T, N) bool.
        objectness: (N,) mean probability of being a thing, over all frames.
        descriptors: (N, ...) means over the frames that show the thing.
        boxes: (N, 4) box in the last frame that shows the thing, as shares of the frame.
    """

    mask_logits: Tensor
    seen: Tensor
    objectness: Tensor
    descriptors: Descriptors
    boxes: Tensor

    def sightings(self) -> Sightings:
        """What the things are known by in the clip that follows. No gradients."""
        return Sightings(self.boxes, look_of(self.descriptors).detach(), self.objectness)


@dataclass(frozen=True)
class Sightings:
    """What is known of A things, to find them again.

    Attributes:
        boxes: (A, 4) left, top, right and bottom as shares of the frame.
        looks: (A, C) of length 1, see `look_of`.
        objectness: (A,) probabilities of being a thing.
    """

    boxes: Tensor
    looks: Tensor
    objectness: Tensor


def similarity(first: Sightings, second: Sightings) -> Tensor:
    """How likely things are the same: likeness of looks and overlap of boxes, less distance; (A, B), at most 1.2."""
    overlap = box_overlaps(first.boxes * BOX_SCALE, second.boxes * BOX_SCALE)
    centre, other = ((one.boxes[:, :2] + one.boxes[:, 2:]) / 2 for one in (first, second))
    alike = (first.looks @ second.looks.T).clamp(min=0)
    return OVERLAP_WEIGHT * overlap + LOOK_WEIGHT * alike - DISTANCE_WEIGHT * torch.cdist(centre, other)


def look_of(descriptors: Descriptors) -> Tensor:
    """(K, C) looks of length 1, by which candidates are compared."""
    return F.normalize(F.layer_norm(descriptors.looks, descriptors.looks.shape[-1:]), dim=-1)


def match(earlier: Sightings, later: Sightings) -> list[tuple[int, int]]:
    """Pair things with those of another moment that are likely the same.

    The surest pairs come first, by their similarity and the geometric mean of their probabilities of being things: else
    a thing would be paired with a half or a double of it that happens to look more like it.

    Args:
        earlier: A things.
        later: B things.

    Returns:
        Pairs (row of earlier, row of later), each row at most once. On the meta device, where costs are counted
        without values, each row with the same one.
    """
    similar = similarity(earlier, later)
    if similar.is_meta:
        return [(index, index) for index in range(min(similar.shape))]
    sure = (earlier.objectness[:, None] * later.objectness).sqrt()
    return greedy_pairs(torch.where(similar >= LEAST_SIMILARITY, similar + sure, -torch.inf))


def greedy_pairs(values: Tensor) -> list[tuple[int, int]]:
    """Pair rows with columns, the largest value (A, B) first; each at most once, and never where it is -inf."""
    left = values.cpu().numpy().copy()
    pairs: list[tuple[int, int]] = []
    while left.size:
        row, column = divmod(int(left.argmax()), left.shape[1])
        if not np.isfinite(left[row, column]):
            break
        pairs.append((row, column))
        left[row] = left[:, column] = -np.inf
    return pairs


def follow(frames: Sequence[FrameThings | None], count: int) -> Tracks:
    """Join the candidates of consecutive frames into tracks. No gradients go through boxes and probabilities.

    In a frame without candidates of its own, masks are carried from the frames beside it: moved and resized as a
    track's box does between them, or goes on doing after the last of them.

    Args:
        frames: candidates of each of the T frames, and what is known of them; None in a frame without. The first frame
            has some.
        count: largest number of tracks N; the surest stay.
    """
    known = [t for t, frame in enumerate(frames) if frame is not None]
    tracks, places = _follow([frame for frame in frames if frame is not None], count)
    if len(known) < len(frames):
        carried = [_carry(tracks.mask_logits, tracks.seen, places, known, t) for t in range(len(frames))]
        tracks.mask_logits, tracks.seen = (torch.stack(parts) for parts in zip(*carried, strict=True))
    return tracks


def _follow(frames: Sequence[FrameThings], count: int) -> tuple[Tracks, Tensor]:
    """`follow` where all frames have candidates; and the (T, N, 4) boxes, any where a track is not seen."""
    candidates, descriptors = [frame[0] for frame in frames], [frame[1] for frame in frames]
    height, width = candidates[0].mask_logits.shape[-2:]
    size = torch.tensor([width, height, width, height], device=candidates[0].boxes.device) * float(MASK_STRIDE)
    boxes = [frame.boxes.detach().float() / size for frame in candidates]
    sure = [frame.objectness.detach().float() for frame in candidates]
    looks = [look_of(frame).detach() for frame in descriptors]
    index, objectness = _sort(_connect(list(map(Sightings, boxes, looks, sure))), sure)
    index, seen = index[:, :count], index[:, :count] >= 0
    mask_logits = torch.where(
        seen[..., None, None], _gather([frame.mask_logits for frame in candidates], index), ABSENT
    )
    places = _gather(boxes, index)
    first, last = _first(places, seen), _first(places.flip(0), seen.flip(0))
    means = {
        field.name: _mean([getattr(frame, field.name) for frame in descriptors], index)
        for field in fields(Descriptors)
        if field.name != "motion"
    }
    described = Descriptors(**means, motion=_motion(first, last, seen))
    return Tracks(mask_logits, seen, objectness[:count], described, last), places


def _carry(mask_logits: Tensor, seen: Tensor, places: Tensor, known: Sequence[int], t: int) -> tuple[Tensor, Tensor]:
    """The masks (N, h, w) of frame t, and which are seen (N,), from those of the S known frames.

    Args:
        mask_logits: (S, N, h, w) masks of the known frames.
        seen: (S, N) bool.
        places: (S, N, 4) boxes as shares of the frame.
        known: the S frames that are known, ascending; the first one is 0.
        t: the frame.
    """
    before = max(s for s, frame in enumerate(known) if frame <= t)
    if known[before] == t:
        return mask_logits[before], seen[before]
    inside = before + 1 < len(known)
    # The other frame from which the movement is known; for the last frames one further back, if there is one.
    other = before + 1 if inside else max(before - 1, 0)
    share = (t - known[before]) / (known[other] - known[before]) if other != before else 0.0
    both = seen[before] & seen[other]
    nearer_other = inside and share > 0.5
    from_other = (both if nearer_other else seen[other] & ~seen[before]) if inside else torch.zeros_like(both)
    masks = torch.where(from_other[:, None, None], mask_logits[other], mask_logits[before])
    start = torch.where(from_other[:, None], places[other], places[before])
    end = torch.where(both[:, None], torch.lerp(places[before], places[other], share), start)
    return _moved(masks, start, end), seen[before] | from_other


def _moved(masks: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Masks (N, h, w) moved and resized as boxes (N, 4), shares of the frame, go from `start` to `end`."""
    height, width = masks.shape[-2:]
    size = masks.new_tensor([width, height, width, height])
    moving = ((end - start).abs() * size).amax(1) > LEAST_MOVEMENT
    if masks.is_meta or not moving.any():
        return masks
    moved = resampled(masks[moving], start[moving], end[moving])
    return masks.index_copy(0, moving.nonzero()[:, 0], moved)


def resampled(masks: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Masks (N, h, w) moved and resized as boxes (N, 4), shares of the frame, go from `start` to `end`, however little.

    They grow or shrink by `LARGEST_ZOOM` at most.
    """
    height, width = masks.shape[-2:]
    (x0, y0, w0, h0), (x1, y1, w1, h1) = (_centre_and_size(boxes).unbind(1) for boxes in (start, end))
    zoom_x, zoom_y = (
        (old / new.clamp(min=1e-6)).clamp(1 / LARGEST_ZOOM, LARGEST_ZOOM) for old, new in ((w0, w1), (h0, h1))
    )
    # Nothing is turned: columns and rows are mapped by themselves. `affine_grid` takes twice as long as the sampling.
    columns = _positions(width, masks) * zoom_x[:, None] + (x0 - zoom_x * x1)[:, None]
    rows = _positions(height, masks) * zoom_y[:, None] + (y0 - zoom_y * y1)[:, None]
    grid = torch.stack([columns[:, None].expand(-1, height, -1), rows[:, :, None].expand(-1, -1, width)], -1)
    return F.grid_sample(masks[:, None], grid, padding_mode="border", align_corners=False)[:, 0]


def _positions(count: int, like: Tensor) -> Tensor:
    """(count,) centres of positions side by side that fill [-1, 1]."""
    return (torch.arange(count, device=like.device, dtype=like.dtype) * 2 + 1) / count - 1


def _centre_and_size(boxes: Tensor) -> Tensor:
    """Boxes (N, 4) as shares of the frame -> x and y of their centres in [-1, 1], width and height in the same unit."""
    low, high = boxes[:, :2] * 2 - 1, boxes[:, 2:] * 2 - 1
    return torch.cat([(low + high) / 2, high - low], 1)


def _connect(frames: Sequence[Sightings]) -> Tensor:
    """Pair the candidates of each of T frames with the tracks so far; each one that is left over begins a track.

    Returns:
        (T, N) int64 index of each track's candidate in each frame, -1 where the track is not seen.
    """
    members: list[dict[int, int]] = [{0: row} for row in range(len(frames[0].boxes))]
    # Where each track was seen last, and what it looked like.
    last = frames[0]
    for t, here in enumerate(frames[1:], 1):
        pairs = match(last, here)
        tracks, rows = [track for track, _ in pairs], [row for _, row in pairs]
        new = sorted(set(range(len(here.boxes))).difference(rows))
        for track, row in pairs:
            members[track][t] = row
        members += [{t: row} for row in new]
        looks = F.normalize(torch.lerp(last.looks[tracks], here.looks[rows], LAST_LOOK), dim=-1)
        last = Sightings(
            _updated(last.boxes, tracks, here.boxes[rows], here.boxes[new]),
            _updated(last.looks, tracks, looks, here.looks[new]),
            _updated(last.objectness, tracks, here.objectness[rows], here.objectness[new]),
        )
    table = [[member.get(t, -1) for member in members] for t in range(len(frames))]
    return torch.tensor(table, dtype=torch.int64, device=frames[0].boxes.device)


def _updated(values: Tensor, rows: list[int], replaced: Tensor, added: Tensor) -> Tensor:
    """Values (N, ...) with some rows replaced and others added."""
    values = values.clone()
    values[rows] = replaced
    return torch.cat([values, added])


def _sort(index: Tensor, objectness: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The tracks (T, N), the surest first, and their mean probabilities (N,) of being a thing over all frames."""
    # In double precision, so that the order does not depend on rounding.
    shown = torch.where(index >= 0, _gather(objectness, index).double(), 0.0)
    sure, order = (_sum(shown) / len(index)).sort(descending=True, stable=True)
    return index[:, order], sure.float()


def _gather(frames: Sequence[Tensor], index: Tensor) -> Tensor:
    """Values (K, ...) of each frame -> (T, N, ...) values of the tracks; any value where a track is not seen."""
    return torch.stack([values[rows] for values, rows in zip(frames, index.clamp(min=0), strict=True)])


def _mean(frames: Sequence[Tensor], index: Tensor) -> Tensor:
    """Values (K, ...) of each frame -> (N, ...) means over the frames that show the track."""
    values = _gather(frames, index)
    seen = (index >= 0).view(*index.shape, *(1 for _ in values.shape[2:]))
    return _sum(torch.where(seen, values, 0.0)) / seen.sum(0)


def _sum(frames: Tensor) -> Tensor:
    """(T, ...) -> (...), added one after another, so that frames in which a track is not seen change nothing."""
    total = frames[0]
    for frame in frames[1:]:
        total = total + frame
    return total


def _first(frames: Tensor, seen: Tensor) -> Tensor:
    """(T, N, ...) values -> (N, ...) those of the first frame in which each track is seen (T, N)."""
    tracks = torch.arange(seen.shape[1], device=seen.device)
    return frames[seen.int().argmax(0), tracks]


def _motion(first: Tensor, last: Tensor, seen: Tensor) -> Tensor:
    """How tracks move.

    Args:
        first: (N, 4) first box, as shares of the frame.
        last: (N, 4) last box.
        seen: (T, N) bool.

    Returns:
        (N, MOTION): way to the right, way down and growth, the same relative to the median of all tracks, and the share
        of the frames that show the track. All are 0 in a single frame, the first three in a single sighting.
    """
    length = len(seen)
    if length == 1:
        return first.new_zeros(len(first), MOTION)
    way = ((last[:, :2] + last[:, 2:]) - (first[:, :2] + first[:, 2:])) / 2 * MOVEMENT_SCALE
    growth = (last[:, 2:] - last[:, :2]).prod(-1) / (first[:, 2:] - first[:, :2]).prod(-1).clamp(min=1e-5)
    growth = growth.clamp(1 / LARGEST_GROWTH, LARGEST_GROWTH).log()
    moves = torch.where((seen.sum(0) > 1)[:, None], torch.cat([way, growth[:, None]], 1), 0.0)
    shown = seen.sum(0) / length
    return torch.cat([moves, moves - moves.median(0).values, shown[:, None]], 1)
