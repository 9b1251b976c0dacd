"""Vary what is known of the candidates of a picture, so that the choice sees a picture more than once. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. What is varied keeps every expression true: all
candidates of a picture are moved and scaled together, and their brightness changes together. Shapes: K candidates.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["vary"]

#: factor on the size of the picture, and how much width and height differ
SCALES, STRETCH = (0.75, 1.15), 0.05
#: largest shift, in half sides of the picture
SHIFT = 0.15
#: relative noise of each kind of description
NOISE = {"looks": 0.15, "parts": 0.15, "surroundings": 0.2, "classes": 0.15}
#: descriptions that are hidden from all candidates of a picture now and then, and how often
HIDDEN, HIDDEN_SHARE = ("parts", "surroundings"), 0.1
NAME_NOISE, BRIGHTNESS, COLOUR_NOISE = 0.02, 0.06, 0.01


def vary(descriptors: dict[str, Tensor], rng: np.random.Generator) -> dict[str, Tensor]:
    """Vary the descriptions of one picture's candidates.

    Args:
        descriptors: (K, ...) descriptions by the names of the fields of `models.descriptors.Descriptors`, float32.
        rng: source of all choices.

    Returns:
        The varied descriptions; those that are given stay as they are.
    """

    def noise(shape: torch.Size | tuple[int, ...]) -> Tensor:
        return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))

    varied = dict(descriptors)
    varied["geometry"] = _moved(descriptors["geometry"], rng)
    for name, amount in NOISE.items():
        values = descriptors[name]
        varied[name] = values * (1 + amount * noise(values.shape))
    varied["classes"] = varied["classes"].clamp(0, 1)
    for name in HIDDEN:
        if rng.random() < HIDDEN_SHARE:
            varied[name] = torch.zeros_like(descriptors[name])
    names, colours = descriptors["names"], descriptors["colours"]
    varied["names"] = names + NAME_NOISE * noise(names.shape)
    # Means and deviations of red, green and blue follow each other.
    brightness = (1 + BRIGHTNESS * noise((3,))).repeat(colours.shape[1] // 3)
    varied["colours"] = colours * brightness + COLOUR_NOISE * noise(colours.shape)
    return varied


def _moved(geometry: Tensor, rng: np.random.Generator) -> Tensor:
    """(K, 12) places and sizes after the picture was scaled and shifted; see `models.descriptors.describe`."""
    scale = rng.uniform(*SCALES) * rng.uniform(1 - STRETCH, 1 + STRETCH, 2)
    factor = torch.tensor(scale, dtype=torch.float32)
    shift = torch.tensor(rng.uniform(-SHIFT, SHIFT, 2), dtype=torch.float32)
    area = geometry[:, 8:9] * factor.prod()
    return torch.cat(
        [
            geometry[:, :4] * factor.repeat(2) + shift.repeat(2),
            geometry[:, 4:6] * factor,
            geometry[:, 6:8] * factor + shift,
            area,
            area.clamp(min=1e-5).log() / 4 + 1,
            geometry[:, 10:],
        ],
        1,
    )
