"""Nouns for expressions about what is not there, each said about as often as it is right elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from vlp_rvos.data.language.nouns import names_of
from vlp_rvos.data.synthesis.cutouts import CutoutBank
from vlp_rvos.data.synthesis.stills import StillBank

__all__ = ["COMMON_CATEGORIES", "AbsentNouns"]

# Average number of objects that are pasted into a clip or picture.
_PASTED = 1.2
_DRAWN = 16

COMMON_CATEGORIES = frozenset(
    {
        "car",
        "truck",
        "bus",
        "bicycle",
        "bench",
        "chair",
        "potted plant",
        "backpack",
        "handbag",
        "umbrella",
        "bottle",
        "cup",
        "traffic light",
        "stop sign",
        "book",
        "boat",
        "clock",
        "tie",
        "suitcase",
    }
)
"""Categories that the unannotated background of a video is likely to show."""


class AbsentNouns:
    """Draws nouns that nothing in a scene deserves, each as often as the training data says it rightly.

    A model learns a word that is mostly wrong as absent, whatever it sees.

    Args:
        cutouts: The objects that are pasted into clips.
        stills: The pictures, each bank with the weight of its source.
        total_weight: Weight of all sources of stills and videos together.

    Attributes:
        pasted: Nouns for what is pasted into clips and hardly ever stands in the background of a video.
    """

    def __init__(self, cutouts: CutoutBank, stills: Sequence[tuple[StillBank, float]], total_weight: float) -> None:
        self.pasted = tuple(
            name
            for category in cutouts.categories
            if category not in COMMON_CATEGORIES and category != "person"
            for name in names_of(category)[:2]
        )
        seen = defaultdict(float, {category: _PASTED * share for category, share in cutouts.shares.items()})
        for bank, weight in stills:
            for category, share in bank.category_shares().items():
                seen[category] += share * weight / total_weight
        # Noun -> how often expressions say it rightly, relatively.
        self._frequency: defaultdict[str, float] = defaultdict(float)
        for category, share in seen.items():
            first, *others = names_of(category)
            self._frequency[first] += share * (0.7 if others else 1.0)
            for name in others:
                self._frequency[name] += share * 0.3 / len(others)

    def draw(self, candidates: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
        """Draws some of the candidates, with repetition; none where there are none."""
        if not candidates:
            return candidates
        # Of what only held-out pictures show, nothing is known here.
        weights = np.array([max(self._frequency.get(name, 0.0), 1e-6) for name in candidates])
        return tuple(str(name) for name in rng.choice(candidates, _DRAWN, p=weights / weights.sum()))
