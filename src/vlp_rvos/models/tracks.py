"""Follow the candidates of the frames of a clip, so that each thing of the clip is one candidate. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. Shapes: T frames, K candidates of a frame, N
tracks, (h, w) positions of the masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.models.candidates import Candidates, box_overlaps
from vlp_rvos.models.descriptors import MOTION, Descriptors

__all__ = ["Tracks", "follow", "similarity"]

#: logit of a mask where a track is not seen
ABSENT = -8.0
#: similarity below which two candidates are not the same thing
LEAST = 0.35


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
    """How likely candidates are the same things: (A, 4), (A, C), (B, 4), (B, C) -> (A, B), at most 1.

    Boxes are shares of the frame, looks have length 1. Half of it is the overlap of the boxes, half the looks; it falls
    with the distance of the boxes' centres.
    """
    overlap = box_overlaps(boxes * 1000, other_boxes * 1000)
    centre, other = (boxes[:, :2] + boxes[:, 2:]) / 2, (other_boxes[:, :2] + other_boxes[:, 2:]) / 2
    away = torch.cdist(centre, other)
    alike = (looks @ other_looks.T).clamp(min=0)
    return 0.5 * overlap + 0.5 * alike - 0.4 * away


def look_of(descriptors: Descriptors) -> Tensor:
    """(K, C) looks of length 1, by which candidates are compared."""
    return F.normalize(F.layer_norm(descriptors.looks, descriptors.looks.shape[-1:]), dim=-1)


def match(similar: Tensor, least: float = LEAST) -> list[tuple[int, int]]:
    """Pairs (row, column), the most similar first, each row and column once."""
    values = similar.cpu().numpy().copy()
    pairs = []
    while values.size and (best := values.argmax()) is not None:
        row, column = divmod(int(best), values.shape[1])
        if values[row, column] < least:
            break
        pairs.append((row, column))
        values[row] = values[:, column] = float("-inf")
    return pairs


def follow(frames: Sequence[tuple[Candidates, Descriptors]], count: int) -> Tracks:
    """Join the candidates of consecutive frames into at most `count` tracks."""
    members: list[dict[int, int]] = []
    last: list[tuple[int, int]] = []
    height, width = frames[0][0].mask_logits.shape[-2:]
    scale = torch.tensor([width, height, width, height], dtype=torch.float32) * 4
    boxes = [candidates.boxes.float().cpu() / scale for candidates, _ in frames]
    looks = [look_of(descriptors).cpu() for _, descriptors in frames]
    for t in range(len(frames)):
        found: set[int] = set()
        if members and len(boxes[t]):
            own = torch.stack([boxes[f][k] for f, k in last])
            own_looks = torch.stack([looks[f][k] for f, k in last])
            for track, k in match(similarity(own, own_looks, boxes[t], looks[t])):
                members[track][t] = k
                last[track] = (t, k)
                found.add(k)
        for k in range(len(boxes[t])):
            if k not in found:
                members.append({t: k})
                last.append((t, k))
    sure = [sum(float(frames[t][0].objectness[k]) for t, k in track.items()) / len(frames) for track in members]
    order = sorted(range(len(members)), key=lambda i: -sure[i])[:count]
    device = frames[0][0].mask_logits.device
    logits = torch.full((len(frames), len(order), height, width), ABSENT, device=device)
    seen = torch.zeros(len(frames), len(order), dtype=torch.bool, device=device)
    for n, i in enumerate(order):
        for t, k in members[i].items():
            logits[t, n], seen[t, n] = frames[t][0].mask_logits[k], True
    rows = [[(t, k) for t, k in members[i].items()] for i in order]
    joined = {
        field.name: torch.stack(
            [torch.stack([getattr(frames[t][1], field.name)[k] for t, k in row]).mean(0) for row in rows]
        )
        for field in fields(Descriptors)
        if field.name != "motion"
    }
    descriptors = Descriptors(**joined, motion=_motion(rows, boxes, len(frames)).to(device))
    return Tracks(
        logits,
        seen,
        torch.tensor([sure[i] for i in order], device=device),
        descriptors,
        torch.stack([boxes[last[i][0]][last[i][1]] for i in order]),
    )


def _motion(rows: list[list[tuple[int, int]]], boxes: list[Tensor], length: int) -> Tensor:
    """(N, MOTION): way to the right and down, growth, the same relative to the other things, and how long it is seen."""
    found = torch.zeros(len(rows), MOTION)
    for n, row in enumerate(rows):
        (t0, k0), (t1, k1) = row[0], row[-1]
        first, final = boxes[t0][k0], boxes[t1][k1]
        if t1 > t0:
            way = ((final[:2] + final[2:]) - (first[:2] + first[2:])) / 2
            growth = ((final[2:] - final[:2]).prod() / (first[2:] - first[:2]).prod().clamp(min=1e-5)).clamp(0.05, 20)
            found[n, :3] = torch.tensor([way[0] * 4, way[1] * 4, float(growth.log())])
        found[n, 6] = len(row) / length if length > 1 else 0.0
    if length > 1:
        found[:, 3:6] = found[:, :3] - found[:, :3].median(0).values
    return found
