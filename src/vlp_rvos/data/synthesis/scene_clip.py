"""A clip under construction: frames, a label map and the objects in it. Measured, it becomes expressions and masks.

Shapes: F frames of (H, W) pixels, E expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vlp_rvos.data.language.expressions import Reference, describe_absent, describe_group, describe_object
from vlp_rvos.data.language.modifiers import Slot
from vlp_rvos.data.language.objects import Motion, SceneObject
from vlp_rvos.data.language.scene import Scene
from vlp_rvos.data.language.vocabulary import STUFF
from vlp_rvos.data.synthesis.label_maps import LabelMap
from vlp_rvos.data.synthesis.measurement import measure_colours, measure_tracks
from vlp_rvos.data.synthesis.sample import Sample

__all__ = ["LabelledObject", "SceneClip"]

# A roll above this asks for a group of objects.
_GROUP_ROLL = 0.93


@dataclass
class LabelledObject:
    """An object of a clip before it is measured. Attributes not listed here are those of `SceneObject`.

    Attributes:
        labels: The labels of its pixels.
        weight: How often expressions refer to it, relative to the other objects.
        kind: Where it comes from: "video", "still" or "pasted".
    """

    category: str
    labels: set[int]
    motion: Motion | None = field(default_factory=Motion)
    owner: int | None = None
    clothes_known: bool = False
    expressions: tuple[str, ...] = ()
    referable: bool = True
    depth: int | None = None
    weight: float = 1.0
    kind: str = "still"
    told_by: Slot | None = None


@dataclass
class SceneClip:
    """Frames, and the objects that they show.

    Attributes:
        frames: (F, 3, H, W) float32 RGB, 0 .. 255.
        labels: (F, H, W) label map.
        objects: The objects.
        absent_nouns: Nouns that nothing in the background deserves.
        priority: Indices of the objects that are referred to before all others.
    """

    frames: Tensor
    labels: LabelMap
    objects: list[LabelledObject]
    absent_nouns: tuple[str, ...] = ()
    priority: list[int] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the frames."""
        height, width = self.labels.shape[1:]
        return height, width

    def next_label(self) -> int:
        """The smallest label above all labels in use."""
        return 1 + max((label for obj in self.objects for label in obj.labels), default=0)

    def measure(self) -> Scene:
        """Measures every object in the finished frames."""
        membership = np.zeros((self.next_label(), len(self.objects)), dtype=bool)
        for k, obj in enumerate(self.objects):
            membership[sorted(obj.labels), k] = True
        # Every step-th pixel is enough, and faster.
        step = max(1, min(self.size) // 64)
        samples = slice(step // 2, None, step)
        labels = np.ascontiguousarray(self.labels[:, samples, samples]).astype(np.int64)
        tracks = measure_tracks(labels, membership)
        chosen = sorted({0, len(labels) // 2, len(labels) - 1})
        pixels = self.frames[chosen, :, samples, samples].permute(0, 2, 3, 1).clamp(0, 255).to(torch.uint8).numpy()
        colours = measure_colours(pixels, labels[chosen], membership)
        objects = [
            SceneObject(
                category=obj.category,
                track=tracks[k],
                colours=colours[k],
                # One picture shows no motion.
                motion=obj.motion if len(labels) > 1 else None,
                owner=obj.owner,
                clothes_known=obj.clothes_known,
                expressions=obj.expressions,
                referable=obj.referable,
                depth=obj.depth,
                told_by=obj.told_by,
            )
            for k, obj in enumerate(self.objects)
        ]
        return Scene(objects, self.absent_nouns)

    def draw_references(self, rng: np.random.Generator, count: int, absent_share: float) -> list[Reference]:
        """Draws what expressions refer to, and makes them.

        Args:
            rng: Source of all choices.
            count: Number of expressions.
            absent_share: Share of expressions that refer to nothing.

        Returns:
            Up to `count` references with different texts; fewer when the scene does not give more.
        """
        scene = self.measure()
        targets = scene.targets
        order: list[int] = [i for i in self.priority if i in targets]
        if targets:
            weights = np.array([self._target_weight(scene, i) for i in targets])
            drawn = rng.choice(targets, size=len(targets), replace=False, p=weights / weights.sum())
            order += [int(i) for i in drawn if i not in order]
        found: list[Reference] = []
        position = 0
        for attempt in range(4 * count):
            if len(found) == count:
                break
            roll = rng.random()
            single = bool(order) and bool(self.priority) and attempt == 0
            if roll < absent_share and not single:
                reference = describe_absent(scene, rng)
            elif roll > _GROUP_ROLL and not single:
                reference = describe_group(scene, rng)
            elif order:
                reference = describe_object(scene, order[position % len(order)], rng)
                position += 1
            else:
                reference = describe_absent(scene, rng)
            if reference is not None and all(reference.text != other.text for other in found):
                found.append(reference)
        return found

    def _target_weight(self, scene: Scene, index: int) -> float:
        """How often expressions refer to an object: seldom to background matter and to what is small."""
        obj = self.objects[index]
        stuff = 0.2 if obj.category in STUFF else 1.0
        return obj.weight * stuff * (0.3 + min(scene.objects[index].track.mean_area, 0.1) / 0.1)

    def build_sample(self, references: Sequence[Reference]) -> Sample:
        """Turns the clip and references to its objects into a training sample.

        Args:
            references: The expressions; their members are indices into `objects`.
        """
        masks = np.zeros((len(references), *self.labels.shape), dtype=bool)
        for mask, reference in zip(masks, references, strict=True):
            chosen = np.zeros(self.next_label(), dtype=bool)
            for member in reference.members:
                chosen[sorted(self.objects[member].labels)] = True
            if reference.members:
                np.take(chosen, self.labels, out=mask)
        return Sample(
            frames=self.frames.add(0.5).clamp_(0, 255).to(torch.uint8),
            expressions=[reference.text for reference in references],
            masks=torch.from_numpy(masks),
            kinds=[self._kind_of(reference) for reference in references],
        )

    def _kind_of(self, reference: Reference) -> str:
        if len(reference.members) == 1:
            return self.objects[next(iter(reference.members))].kind
        return "several" if reference.members else "absent"
