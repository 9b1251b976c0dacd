"""A clip under construction: pixels, a label map, and what the labels mean; measured, it becomes expressions and masks.

Shapes: F frames, (H, W) pixels, L labels, K things, E expressions. A label map gives every pixel one label; a thing is
a set of labels, so that a person may contain the pixels of a coat, and what is pasted on top takes pixels away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlp_rvos.data.language.colours import COLOURS, colour_shares
from vlp_rvos.data.language.expressions import Motion, Reference, Scene, Thing, Track
from vlp_rvos.data.language.vocabulary import STUFF

__all__ = ["Part", "Sample", "SceneClip"]

Labels = NDArray[np.int16]


@dataclass(frozen=True)
class Sample:
    """What the model is trained on: consecutive clips and expressions about them.

    Attributes:
        frames: (F, 3, H, W) uint8 RGB.
        expressions: E of them.
        masks: (E, F, H, W) bool; all False where the expression refers to nothing.
        kinds: what each expression is about: "video" (an object of a real video), "still" (a thing of a photograph),
            "pasted" (a cut-out), "several" (a plural) or "absent".
        supervised: (E, F) bool, where the masks are known; None where all are. Unknown masks are all False.
    """

    frames: Tensor
    expressions: list[str]
    masks: Tensor
    kinds: list[str]
    supervised: Tensor | None = None


@dataclass
class Part:
    """A thing before it is measured; the attributes are those of `Thing`.

    Attributes:
        labels: of its pixels.
        weight: how eagerly it is asked about.
        kind: "video", "still" or "pasted".
    """

    category: str
    labels: set[int]
    motion: Motion | None = field(default_factory=Motion)
    owner: int | None = None
    dressed: bool = False
    phrases: tuple[str, ...] = ()
    askable: bool = True
    depth: int | None = None
    weight: float = 1.0
    kind: str = "still"
    by_motion: bool = False


@dataclass
class SceneClip:
    """Frames with labels, and the things that they show.

    Attributes:
        frames: (F, 3, H, W) float32 RGB, 0 .. 255.
        labels: (F, H, W) int16, 0 belongs to nothing.
        parts: the things.
        absent: nouns that nothing in the background deserves.
        first: indices of the parts that are asked about before all others.
    """

    frames: Tensor
    labels: Labels
    parts: list[Part]
    absent: tuple[str, ...] = ()
    first: list[int] = field(default_factory=list)

    def new_label(self) -> int:
        """A label that is not in use."""
        return 1 + max((label for part in self.parts for label in part.labels), default=0)

    def scene(self) -> Scene:
        """Measures every thing in the finished frames."""
        count = self.new_label()
        belongs = np.zeros((count, len(self.parts)), dtype=bool)
        for k, part in enumerate(self.parts):
            belongs[sorted(part.labels), k] = True
        step = max(1, min(self.labels.shape[1:]) // 64)
        small = np.ascontiguousarray(self.labels[:, step // 2 :: step, step // 2 :: step]).astype(np.int64)
        area, centre, box = _measure(small, belongs)
        shares = self._colours(small, belongs, step)
        things = []
        for k, part in enumerate(self.parts):
            things.append(
                Thing(
                    category=part.category,
                    track=Track(area[:, k], centre[:, k], box[:, k]),
                    colours=shares[k],
                    # One picture shows no motion.
                    motion=part.motion if len(small) > 1 else None,
                    owner=part.owner,
                    dressed=part.dressed,
                    phrases=part.phrases,
                    askable=part.askable,
                    depth=part.depth,
                    by_motion=part.by_motion,
                )
            )
        return Scene(things, self.absent)

    def _colours(self, small: NDArray[np.int64], belongs: NDArray[np.bool_], step: int) -> NDArray[np.float64]:
        chosen = sorted({0, len(small) // 2, len(small) - 1})
        pixels = self.frames[chosen, :, step // 2 :: step, step // 2 :: step].permute(0, 2, 3, 1).reshape(-1, 3)
        counts = colour_shares(pixels.clamp(0, 255).to(torch.uint8).numpy(), small[chosen].reshape(-1), len(belongs))
        shares = belongs.T.astype(np.float64) @ counts
        total = shares.sum(1, keepdims=True)
        assert shares.shape[1] == len(COLOURS)
        return np.asarray(np.divide(shares, total, out=np.zeros_like(shares), where=total > 0))

    def sample(self, references: Sequence[Reference]) -> Sample:
        """The finished sample.

        Args:
            references: to things by their index in `parts`.
        """
        count = self.new_label()
        masks = np.zeros((len(references), *self.labels.shape), dtype=bool)
        for e, reference in enumerate(references):
            wanted = np.zeros(count, dtype=bool)
            for member in reference.members:
                wanted[sorted(self.parts[member].labels)] = True
            if reference.members:
                np.take(wanted, self.labels, out=masks[e])
        return Sample(
            frames=self.frames.add(0.5).clamp_(0, 255).to(torch.uint8),
            expressions=[reference.text for reference in references],
            masks=torch.from_numpy(masks),
            kinds=[self._kind(reference) for reference in references],
        )

    def _kind(self, reference: Reference) -> str:
        if len(reference.members) == 1:
            return self.parts[next(iter(reference.members))].kind
        return "several" if reference.members else "absent"

    def ask(
        self,
        rng: np.random.Generator,
        count: int,
        absent_share: float,
    ) -> list[Reference]:
        """Chooses what is asked about this clip.

        Args:
            rng: source of all choices.
            count: number of expressions.
            absent_share: how often an expression refers to nothing.

        Returns:
            Up to `count` references with different texts; fewer when the scene does not give more.
        """
        scene = self.scene()
        targets = scene.targets
        weights = np.array([self._eagerness(scene, i) for i in targets])
        order: list[int] = [i for i in self.first if i in targets]
        if targets:
            drawn = rng.choice(targets, size=len(targets), replace=False, p=weights / weights.sum())
            order += [int(i) for i in drawn if i not in order]
        found: list[Reference] = []
        position = 0
        for attempt in range(4 * count):
            if len(found) == count:
                break
            roll = rng.random()
            must = bool(order) and attempt == 0 and bool(self.first)
            if roll < absent_share and not must:
                reference = scene.describe_nothing(rng)
            elif roll > 0.93 and not must:
                reference = scene.describe_all(rng)
            elif order:
                reference = scene.describe(order[position % len(order)], rng)
                position += 1
            else:
                reference = scene.describe_nothing(rng)
            if reference is not None and all(reference.text != other.text for other in found):
                found.append(reference)
        return found

    def _eagerness(self, scene: Scene, index: int) -> float:
        part, thing = self.parts[index], scene.things[index]
        return part.weight * (0.2 if part.category in STUFF else 1.0) * (0.3 + min(thing.track.size, 0.1) / 0.1)


def _measure(
    labels: NDArray[np.int64], belongs: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(F, h, w) labels and (L, K) membership -> area (F, K), centre (F, K, 2), box (F, K, 4), all 0 .. 1."""
    frames, height, width = labels.shape
    count, things = belongs.shape
    rows = (np.arange(frames)[:, None, None] * count + labels).reshape(frames, height, width)

    def total(weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
        sums = np.bincount(rows.ravel(), weights, minlength=frames * count).reshape(frames, count)
        return np.asarray(sums @ belongs.astype(np.float64))

    xs = np.broadcast_to((np.arange(width) + 0.5) / width, labels.shape).ravel()
    ys = np.broadcast_to(((np.arange(height) + 0.5) / height)[:, None], labels.shape).ravel()
    pixels = total(None)
    safe = np.maximum(pixels, 1)
    centre = np.stack([total(xs) / safe, total(ys) / safe], axis=-1)
    box = np.zeros((frames, things, 4))
    for k in np.flatnonzero(pixels.any(0)):
        mask = belongs[labels, k]
        columns, rows = _extent(mask.any(1)), _extent(mask.any(2))
        box[:, k] = np.stack([columns[0] / width, rows[0] / height, columns[1] / width, rows[1] / height], -1)
    return pixels / (height * width), centre, box


def _extent(lines: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(F, n) -> for each row the first true position and the one after the last; 0, 0 where none is true."""
    some = lines.any(1)
    return np.where(some, lines.argmax(1), 0), np.where(some, lines.shape[1] - lines[:, ::-1].argmax(1), 0)
