"""The objects of a sample, and which of them a noun could mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from vlp_rvos.data.language.nouns import is_a, possible_categories
from vlp_rvos.data.language.objects import SceneObject
from vlp_rvos.data.language.truth import Truth
from vlp_rvos.data.language.vocabulary import FEMALE_GARMENTS, FEMALE_NAMES, GENERIC_NOUNS, MALE_NAMES, STUFF

__all__ = ["Scene"]


class Scene:
    """The objects of a sample.

    Args:
        objects: All annotated objects, in any order; `SceneObject.owner` is an index into this list.
        absent_nouns: Nouns that nothing in the picture deserves, unless one of the objects does. Each must be right in
            other scenes: a model learns a word that is only ever wrong as absent, whatever it sees.
        min_area: Mean share of the picture below which no expression refers to an object.

    Attributes:
        objects: As given; people who wear women's clothes get `FEMALE_NAMES`.
        visible: Indices of the objects that at least one frame shows.
    """

    def __init__(
        self, objects: Sequence[SceneObject], absent_nouns: Iterable[str] = (), min_area: float = 0.002
    ) -> None:
        self.objects = list(objects)
        self.absent_nouns = tuple(absent_nouns)
        self.min_area = min_area
        self.visible = [i for i, obj in enumerate(self.objects) if obj.track.visible.any()]
        for i in self.visible:
            worn = {self.objects[j].category for j in self.belongings(i)}
            if self.objects[i].category == "person" and worn & FEMALE_GARMENTS and not self.objects[i].extra_names:
                self.objects[i] = replace(self.objects[i], extra_names=FEMALE_NAMES)

    @property
    def targets(self) -> list[int]:
        """Objects that are large enough, and in the picture for long enough, to be referred to."""
        return [
            i
            for i in self.visible
            if self.objects[i].referable
            and self.objects[i].track.area.mean() >= self.min_area
            and self.objects[i].track.visible.sum() >= min(2, len(self.objects[i].track.visible))
        ]

    def is_called(self, noun: str, index: int) -> Truth:
        """Whether the noun fits an object."""
        obj = self.objects[index]
        if noun in GENERIC_NOUNS:
            return obj.owner is None and obj.category not in STUFF
        if noun in obj.extra_names:
            return True
        if obj.extra_names and noun in MALE_NAMES:
            return False
        if obj.category:
            return is_a(noun, obj.category)
        if noun in obj.mentioned or not obj.expressions:
            return None
        return False if all(is_a(noun, c) is False for c in possible_categories(obj.mentioned)) else None

    def rivals(self, noun: str, index: int | None = None) -> list[int]:
        """The visible objects, other than `index`, that the noun could mean."""
        return [i for i in self.visible if i != index and self.is_called(noun, i) is not False]

    def belongings(self, person: int) -> list[int]:
        """The visible objects that a person wears or carries."""
        return [j for j in self.visible if self.objects[j].owner == person]
