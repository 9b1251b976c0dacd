"""Clips made from still pictures: a camera moves over the picture, and cut-outs of other pictures move on it.

`docs/method.md` section 5 ([P] affine motion of images; [D] cut-outs and everything else here). All masks are exact:
they are moved with the pixels, and what is pasted on top takes pixels away from what it covers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from vlp_rvos.data.language.expressions import Motion
from vlp_rvos.data.synthesis.camera import Camera, affine_clip, affine_grid, random_camera, smooth_path
from vlp_rvos.data.synthesis.cutouts import Cutout, CutoutBank, recoloured
from vlp_rvos.data.synthesis.scenes import SceneClip
from vlp_rvos.data.synthesis.stills import Still, StillBank, widened

__all__ = [
    "MOTION_KINDS",
    "Camera",
    "Cutout",
    "CutoutBank",
    "PastePath",
    "Still",
    "StillBank",
    "affine_clip",
    "paste",
    "photometric",
    "random_camera",
    "random_path",
    "recoloured",
    "riding_path",
    "widened",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PastePath:
    """How a pasted thing moves, in pixels of the reference frame (the camera's middle view).

    Attributes:
        position: (F, 2) x and y of its centre.
        scale: (F,) output pixels per cut-out pixel.
        angle: (F,) radians, clockwise.
        motion: what there is to say of it.
    """

    position: Floats
    scale: Floats
    angle: Floats
    motion: Motion


def random_path(
    frames: int, size: tuple[int, int], shape: tuple[int, int], rng: np.random.Generator, kind: str | None = None
) -> PastePath:
    """A random motion for a cut-out.

    Args:
        frames: F.
        size: (H, W) of the frames.
        shape: (h, w) of the cut-out.
        rng: source of all choices.
        kind: one of `MOTION_KINDS`, or None for a random one.
    """
    height, width = size
    if kind is None:
        kind = str(rng.choice(list(MOTION_KINDS), p=list(MOTION_KINDS.values())))
    high = float(np.exp(rng.uniform(np.log(0.24), np.log(0.85)))) * height
    base = min(high / shape[0], 0.75 * width / shape[1], 1.6)
    t = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
    ease = t * t * (3 - 2 * t) if rng.random() < 0.3 else t
    delta, zoom, turn, swing = np.zeros(2), 1.0, 0.0, (0.0, 0.0)
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
        turn = rng.choice([-1, 1]) * rng.uniform(60, 300)
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
    angle = np.deg2rad(turn) * ease + np.deg2rad(rng.normal(0, 4))
    motion = Motion(float(delta[0]), float(delta[1]), float(zoom), float(turn), swing)
    return PastePath(position, scale, angle, motion)


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


def riding_path(
    mount: PastePath, mount_shape: tuple[int, int], rider_shape: tuple[int, int], rng: np.random.Generator
) -> PastePath:
    """The way of a rider who sits or stands on something that moves.

    Args:
        mount: the way of what is ridden.
        mount_shape, rider_shape: (h, w) of the cut-outs.
        rng: source of all choices.
    """
    tall = rng.uniform(0.8, 1.5) * max(mount_shape[0], 0.45 * mount_shape[1])
    factor = tall / rider_shape[0]
    aside = rng.normal(0, 0.1) * mount_shape[1]
    # The feet are between the middle and the bottom of the mount.
    above = rng.uniform(0.05, 0.4) * mount_shape[0] - tall / 2
    cos, sin = np.cos(mount.angle), np.sin(mount.angle)
    offset = np.stack([cos * aside - sin * above, sin * aside + cos * above], -1)
    return replace(mount, position=mount.position + mount.scale[:, None] * offset, scale=factor * mount.scale)


def paste(clip: SceneClip, cutout: Cutout, path: PastePath, camera: Camera | None, light: float = 1.0) -> None:
    """Draws a cut-out over a clip, in place, and adds its things.

    Args:
        clip: F frames.
        cutout: n must be 1 or F.
        path: relative to the background.
        camera: of the background; None when the background has no camera of ours.
        light: factor on the cut-out's brightness.
    """
    frames, _, height, width = clip.frames.shape
    position, scale, angle = path.position, path.scale, path.angle
    if camera is not None:
        # World coordinates are the pixels of the camera's mean view.
        still = Camera(
            np.broadcast_to(camera.centre.mean(0), camera.centre.shape),
            np.full(frames, camera.scale.mean()),
            np.full(frames, camera.angle.mean()),
            camera.size,
        )
        offset = position - np.array([width, height]) / 2
        position = camera.to_output(still.centre + np.einsum("fij,fj->fi", still.matrices(), offset))
        scale = scale * still.scale / camera.scale
        angle = angle + still.angle - camera.angle
    h, w = cutout.labels.shape[1:]
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    half = np.stack([(w * cos + h * sin), (w * sin + h * cos)], -1) * scale[:, None] / 2 + 1
    low = np.clip(np.floor(position - half), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(position + half), 0, [width, height]).astype(int)
    extent = (high - low).max(0)
    base = clip.new_label()
    if (extent > 1).all():
        low = np.minimum(low, np.array([width, height]) - extent)
        source, names = _layers(cutout, light)
        inverse_cos, inverse_sin = np.cos(angle) / scale, np.sin(angle) / scale
        theta = np.zeros((frames, 2, 3))
        theta[:, 0, 0] = inverse_cos * extent[0] / w
        theta[:, 0, 1] = inverse_sin * extent[1] / w
        theta[:, 1, 0] = -inverse_sin * extent[0] / h
        theta[:, 1, 1] = inverse_cos * extent[1] / h
        away = low + extent / 2 - position
        theta[:, 0, 2] = (inverse_cos * away[:, 0] + inverse_sin * away[:, 1]) * 2 / w
        theta[:, 1, 2] = (-inverse_sin * away[:, 0] + inverse_cos * away[:, 1]) * 2 / h
        grid = affine_grid(theta, int(extent[1]), int(extent[0]))
        layer = F.grid_sample(source.expand(frames, -1, -1, -1), grid, mode="bilinear", align_corners=False)
        marks = F.grid_sample(names.expand(frames, -1, -1, -1), grid, mode="nearest", align_corners=False)
        local = marks[:, 0].round().to(torch.int16).numpy()
        covers = (layer[:, 3] >= 0.5).numpy()
        # The feathered edge may be wider than the labels: such pixels belong to the thing itself.
        local = np.where(covers & (local == 0), min(cutout.parts[0].labels), local) * covers
        for f in range(frames):
            rows = slice(low[f, 1], low[f, 1] + extent[1])
            columns = slice(low[f, 0], low[f, 0] + extent[0])
            view = clip.frames[f, :, rows, columns]
            view.mul_(1 - layer[f, 3:]).add_(layer[f, :3])
            np.copyto(clip.labels[f, rows, columns], local[f] + np.int16(base), where=local[f] > 0)
    first = len(clip.parts)
    depth = 1 + max((part.depth or 0 for part in clip.parts), default=0)
    for part in cutout.parts:
        clip.parts.append(
            replace(
                part,
                labels={base + label for label in part.labels},
                motion=path.motion,
                owner=None if part.owner is None else first + part.owner,
                depth=depth,
                weight=1.4 * part.weight,
                kind="pasted",
            )
        )


def _layers(cutout: Cutout, light: float) -> tuple[Tensor, Tensor]:
    """Premultiplied colour and soft alpha (n, 4, h, w), and labels (n, 1, h, w), both float32."""
    alpha = np.stack([_feathered(mask > 0) for mask in cutout.labels])
    colours = cutout.pixels.astype(np.float32) * (light * alpha[..., None])
    layers = np.concatenate([np.minimum(colours, 255 * alpha[..., None]), alpha[..., None]], axis=-1)
    source = torch.from_numpy(np.ascontiguousarray(layers.transpose(0, 3, 1, 2)))
    return source, torch.from_numpy(cutout.labels.astype(np.float32))[:, None]


def _feathered(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A soft edge just inside the mask, so that no background of the old picture shines through."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    if min(mask.shape) > 40:
        smaller = image.filter(ImageFilter.MinFilter(3))
        # Thin things, such as wheels, would be lost: they stay as they are.
        thin = mask & (np.asarray(smaller.filter(ImageFilter.MaxFilter(3))) == 0)
        image = Image.fromarray(np.where(thin, np.uint8(255), np.asarray(smaller)))
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.9)), dtype=np.float32) / 255
    return np.where(mask, soft, 0).astype(np.float32)


@lru_cache(maxsize=1)
def _noise() -> Tensor:
    return torch.randn(3, 640, 960, generator=torch.Generator().manual_seed(0))


def photometric(frames: Tensor, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast, tint, a slow drift of them, noise, and sometimes blur; mild enough to keep colour names.

    Args:
        frames: (F, 3, H, W) float32, 0 .. 255; may be changed in place.
        rng: source of all choices.
    """
    count, _, height, width = frames.shape
    gain = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.025, 3))
    drift = np.exp(smooth_path(count, rng) * rng.normal(0, 0.03))
    contrast = np.exp(rng.normal(0, 0.1))
    mean = float(frames[0].mean())
    scale = torch.from_numpy(gain[None] * drift[:, None] * contrast).float()[:, :, None, None]
    shift = mean * (1 - contrast)
    if rng.random() < 0.1:
        factor = rng.uniform(0.4, 0.75)
        small = F.interpolate(frames, scale_factor=factor, mode="bilinear", align_corners=False)
        frames = F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
    frames = frames.mul_(scale).add_(shift)
    if rng.random() < 0.4 and height <= 576 and width <= 896:
        strength = rng.uniform(1.0, 6.0)
        for frame in frames:
            top, left = int(rng.integers(640 - height + 1)), int(rng.integers(960 - width + 1))
            frame.add_(_noise()[:, top : top + height, left : left + width], alpha=strength)
    return frames.clamp_(0, 255)
