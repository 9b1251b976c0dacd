"""Follow the candidates of the frames of a clip, so that each thing of the clip is one candidate. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: T frames, K candidates of a frame, N
tracks, (h, w) positions of the masks, C channels of the looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.candidates import MASK_STRIDE, box_overlaps
from vlp_rvos.models.descriptors import MOTION, Descriptors, FrameThings

__all__ = ["Tracks", "follow", "look_of", "match", "similarity"]

#: Logit of a mask where a track is not seen.
ABSENT = -8.0
#: Similarity below which two candidates are not the same thing.
LEAST_SIMILARITY = 0.35
#: Weights of the overlap of boxes, of the looks, and of the distance between the boxes' centres.
OVERLAP_WEIGHT, LOOK_WEIGHT, DISTANCE_WEIGHT = 0.5, 0.5, 0.4
#: Boxes are compared in thousandths of the frame, so that areas are far above the smallest one of `box_overlaps`.
BOX_SCALE = 1000
#: Movements are multiplied by this number, so that usual ones are near 1.
MOVEMENT_SCALE = 4
#: Largest factor by which a thing is said to have grown or shrunk.
LARGEST_GROWTH = 20
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


def similarity(boxes: Tensor, looks: Tensor, other_boxes: Tensor, other_looks: Tensor) -> Tensor:
    """How likely candidates are the same things: overlap of boxes and likeness of looks, less the distance.

    Args:
        boxes: (A, 4) left, top, right and bottom as shares of the frame.
        looks: (A, C) of length 1, see `look_of`.
        other_boxes: (B, 4).
        other_looks: (B, C).

    Returns:
        (A, B), at most 1.
    """
    overlap = box_overlaps(boxes * BOX_SCALE, other_boxes * BOX_SCALE)
    centre, other = (boxes[:, :2] + boxes[:, 2:]) / 2, (other_boxes[:, :2] + other_boxes[:, 2:]) / 2
    alike = (looks @ other_looks.T).clamp(min=0)
    return OVERLAP_WEIGHT * overlap + LOOK_WEIGHT * alike - DISTANCE_WEIGHT * torch.cdist(centre, other)


def look_of(descriptors: Descriptors) -> Tensor:
    """(K, C) looks of length 1, by which candidates are compared."""
    return F.normalize(F.layer_norm(descriptors.looks, descriptors.looks.shape[-1:]), dim=-1)


def match(similar: Tensor, least: float = LEAST_SIMILARITY) -> list[tuple[int, int]]:
    """Pair rows with columns, the most similar first.

    Args:
        similar: (A, B) similarities.
        least: smallest similarity of a pair.

    Returns:
        Pairs (row, column), each row and column at most once. On the meta device, where costs are counted without
        values, each row with the column of the same index.
    """
    if similar.is_meta:
        return [(index, index) for index in range(min(similar.shape))]
    values = similar.cpu().numpy().copy()
    pairs: list[tuple[int, int]] = []
    while values.size:
        row, column = divmod(int(values.argmax()), values.shape[1])
        if values[row, column] < least:
            break
        pairs.append((row, column))
        values[row] = values[:, column] = float("-inf")
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
    index = _connect(boxes, [look_of(frame).detach() for frame in descriptors])
    index, objectness = _sort(index, [frame.objectness.detach() for frame in candidates])
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
    (x0, y0, w0, h0), (x1, y1, w1, h1) = (_centre_and_size(boxes[moving]).unbind(1) for boxes in (start, end))
    zoom_x, zoom_y = (
        (old / new.clamp(min=1e-6)).clamp(1 / LARGEST_ZOOM, LARGEST_ZOOM) for old, new in ((w0, w1), (h0, h1))
    )
    nothing = torch.zeros_like(zoom_x)
    maps = torch.stack([zoom_x, nothing, x0 - zoom_x * x1, nothing, zoom_y, y0 - zoom_y * y1], 1).view(-1, 2, 3)
    grid = F.affine_grid(maps, [len(maps), 1, height, width], align_corners=False)
    moved = F.grid_sample(masks[moving][:, None], grid, padding_mode="border", align_corners=False)[:, 0]
    return masks.index_copy(0, moving.nonzero()[:, 0], moved)


def _centre_and_size(boxes: Tensor) -> Tensor:
    """Boxes (N, 4) as shares of the frame -> x and y of their centres in [-1, 1], width and height in the same unit."""
    low, high = boxes[:, :2] * 2 - 1, boxes[:, 2:] * 2 - 1
    return torch.cat([(low + high) / 2, high - low], 1)


def _connect(boxes: Sequence[Tensor], looks: Sequence[Tensor]) -> Tensor:
    """Pair the candidates of each frame with the tracks so far; each one that is left over begins a track.

    Args:
        boxes: (K, 4) as shares of the frame, for each of T frames.
        looks: (K, C) of length 1, for each frame.

    Returns:
        (T, N) int64 index of each track's candidate in each frame, -1 where the track is not seen.
    """
    members: list[dict[int, int]] = []
    # Where each track was seen last, and what it looked like.
    last_boxes, last_looks = boxes[0][:0], looks[0][:0]
    for t, (here, looking) in enumerate(zip(boxes, looks, strict=True)):
        pairs = match(similarity(last_boxes, last_looks, here, looking))
        tracks, rows = [track for track, _ in pairs], [row for _, row in pairs]
        new = sorted(set(range(len(here))).difference(rows))
        for track, row in pairs:
            members[track][t] = row
        members += [{t: row} for row in new]
        last_boxes[tracks], last_looks[tracks] = here[rows], looking[rows]
        last_boxes, last_looks = torch.cat([last_boxes, here[new]]), torch.cat([last_looks, looking[new]])
    table = [[member.get(t, -1) for member in members] for t in range(len(boxes))]
    return torch.tensor(table, dtype=torch.int64, device=boxes[0].device)


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
