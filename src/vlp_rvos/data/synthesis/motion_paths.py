"""Random motions for pasted objects: across the picture, towards the camera, to and fro, or along with what they ride.

All of it is [D] (our decision; `docs/method.md` explains the marks). Shapes: F frames of (H, W) pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.language.objects import Motion

__all__ = ["MOTION_KINDS", "ObjectPath", "draw_path", "draw_rider_path"]

Floats = NDArray[np.float64]

# Kind of motion -> how often it is drawn.
MOTION_KINDS: dict[str, float] = {
    "still": 0.22,
    "across": 0.32,
    "vertical": 0.07,
    "free": 0.08,
    "closer": 0.07,
    "away": 0.06,
    "turn": 0.05,
    "swing": 0.05,
    "enter": 0.04,
    "leave": 0.04,
}


@dataclass(frozen=True)
class ObjectPath:
    """How a pasted object moves relative to the background, in pixels of the camera's mean view.

    Attributes:
        position: (F, 2) x and y of its centre.
        scale: (F,) output pixels per cut-out pixel.
        angle: (F,) clockwise rotation in radians.
        motion: The same motion, as expressions may tell of it.
    """

    position: Floats
    scale: Floats
    angle: Floats
    motion: Motion


def draw_path(
    frames: int, size: tuple[int, int], shape: tuple[int, int], rng: np.random.Generator, kind: str | None = None
) -> ObjectPath:
    """Draws a random motion for a cut-out.

    Args:
        frames: Number of frames F.
        size: (H, W) of the frames.
        shape: (h, w) of the cut-out.
        rng: Source of all choices.
        kind: One of `MOTION_KINDS`; None draws one.
    """
    height, width = size
    if kind is None:
        kind = str(rng.choice(list(MOTION_KINDS), p=list(MOTION_KINDS.values())))
    high = float(np.exp(rng.uniform(np.log(0.24), np.log(0.85)))) * height
    base = min(high / shape[0], 0.75 * width / shape[1], 1.6)
    t = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
    ease = t * t * (3 - 2 * t) if rng.random() < 0.3 else t
    delta, zoom, rotation, swing = np.zeros(2), 1.0, 0.0, (0.0, 0.0)
    if kind == "across":
        delta[0] = rng.choice([-1, 1]) * rng.uniform(0.2, 0.7)
        delta[1] = rng.normal(0, 0.03)
    elif kind == "vertical":
        delta[1] = rng.choice([-1, 1]) * rng.uniform(0.2, 0.6)
        delta[0] = rng.normal(0, 0.03)
    elif kind == "free":
        delta[:] = rng.uniform(-0.5, 0.5, 2)
    elif kind == "closer":
        zoom = rng.uniform(1.45, 2.3)
    elif kind == "away":
        zoom = 1 / rng.uniform(1.45, 2.3)
    elif kind == "turn":
        rotation = rng.choice([-1, 1]) * rng.uniform(60, 300)
    elif kind == "swing":
        swing = (rng.uniform(0.1, 0.2), 0.0) if rng.random() < 0.5 else (0.0, rng.uniform(0.1, 0.2))
    middle = np.array([rng.uniform(0.15, 0.85), np.clip(rng.normal(0.58, 0.16), 0.2, 0.85)])
    start, end = middle - delta / 2, middle + delta / 2
    if kind in ("enter", "leave"):
        outside = -0.1 - base * shape[1] / width / 2
        side = rng.choice([0, 1])
        beyond = np.array([outside if side == 0 else 1 - outside, middle[1]])
        within = np.array([rng.uniform(0.25, 0.75), middle[1]])
        start, end = (beyond, within) if kind == "enter" else (within, beyond)
        ease = np.clip((t - 0.25) / 0.75, 0, 1) if kind == "enter" else np.clip(t / 0.7, 0, 1)
        delta = end - start
    waves = np.sin(2 * np.pi * rng.uniform(1.0, 2.2) * t)[:, None] * np.array(swing)
    position = (start + ease[:, None] * delta + waves) * np.array([width, height])
    scale = base * np.exp((ease - 0.5) * np.log(zoom))
    angle = np.deg2rad(rotation) * ease + np.deg2rad(rng.normal(0, 4))
    motion = Motion(float(delta[0]), float(delta[1]), float(zoom), float(rotation), swing)
    return ObjectPath(position, scale, angle, motion)


def draw_rider_path(
    mount: ObjectPath, mount_shape: tuple[int, int], rider_shape: tuple[int, int], rng: np.random.Generator
) -> ObjectPath:
    """Draws the path of a rider who sits or stands on something that moves.

    Args:
        mount: The path of what is ridden.
        mount_shape: (h, w) of the cut-out below.
        rider_shape: (h, w) of the cut-out on top.
        rng: Source of all choices.
    """
    tall = rng.uniform(0.8, 1.5) * max(mount_shape[0], 0.45 * mount_shape[1])
    factor = tall / rider_shape[0]
    aside = rng.normal(0, 0.1) * mount_shape[1]
    # The feet are between the middle and the bottom of the mount.
    above = rng.uniform(0.05, 0.4) * mount_shape[0] - tall / 2
    cos, sin = np.cos(mount.angle), np.sin(mount.angle)
    offset = np.stack([cos * aside - sin * above, sin * aside + cos * above], -1)
    return replace(mount, position=mount.position + mount.scale[:, None] * offset, scale=factor * mount.scale)
