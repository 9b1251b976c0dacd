"""Objects and scenes with known tracks, colours and motions, to make expressions for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vlp_rvos.data.language.colours import COLOURS
from vlp_rvos.data.language.expressions import Reference
from vlp_rvos.data.language.objects import Motion, SceneObject, Track

FRAMES = 8
NO_COLOURS = np.zeros(len(COLOURS))
DRAWS = 120
STILL = Motion()


def make_track(
    x: float, y: float = 0.5, size: float = 0.2, to: tuple[float, float] | None = None, zoom: float = 1.0
) -> Track:
    """A square that moves and grows evenly; what lies outside of the picture is not visible."""
    t = np.linspace(0, 1, FRAMES)
    xs = x + t * ((to or (x, y))[0] - x)
    ys = y + t * ((to or (x, y))[1] - y)
    half = size / 2 * zoom**t
    box = np.clip(np.stack([xs - half, ys - half, xs + half, ys + half], -1), 0, 1)
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    return Track(area, np.stack([(box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2], -1), box)


def make_colours(**shares: float) -> np.ndarray:
    """Shares by colour name."""
    return np.array([shares.get(name, 0.0) for name in COLOURS])


def make_object(
    category: str, track: Track, motion: Motion | None = STILL, colour: str = "", **more: object
) -> SceneObject:
    """An object of one colour, or of unknown colours."""
    colours = make_colours(**{colour: 1.0}) if colour else NO_COLOURS
    return SceneObject(category, track, colours, motion, **more)  # type: ignore[arg-type]


def draw_texts(make: Callable[[np.random.Generator], Reference | None], draws: int = DRAWS) -> list[str]:
    """The texts that a function makes with the seeds 0, 1, 2, ..."""
    found = [make(np.random.default_rng(seed)) for seed in range(draws)]
    return [reference.text for reference in found if reference is not None]
