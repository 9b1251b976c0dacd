"""Pastes cut-outs into clips. Masks stay exact: what is pasted on top takes pixels away from what it covers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from vlp_rvos.data.synthesis.camera import Camera, make_affine_grid
from vlp_rvos.data.synthesis.cutouts import Cutout
from vlp_rvos.data.synthesis.label_maps import Mask
from vlp_rvos.data.synthesis.motion_paths import ObjectPath
from vlp_rvos.data.synthesis.scene_clip import SceneClip

__all__ = ["paste_cutout"]

Floats = NDArray[np.float64]


def paste_cutout(
    clip: SceneClip, cutout: Cutout, path: ObjectPath, camera: Camera | None, brightness: float = 1.0
) -> None:
    """Draws a cut-out over a clip, in place, and adds its objects to the clip.

    Args:
        clip: F frames.
        cutout: 1 picture or F.
        path: How it moves relative to the background.
        camera: The camera that shows the background; None where the background is not seen through one of ours.
        brightness: Factor on the cut-out's pixels.
    """
    position, scale, angle = (path.position, path.scale, path.angle) if camera is None else _seen_by(camera, path)
    base = clip.next_label()
    _draw(clip, cutout, position, scale, angle, base, brightness)
    first = len(clip.objects)
    depth = 1 + max((obj.depth or 0 for obj in clip.objects), default=0)
    for obj in cutout.objects:
        clip.objects.append(
            replace(
                obj,
                labels={base + label for label in obj.labels},
                motion=path.motion,
                owner=None if obj.owner is None else first + obj.owner,
                depth=depth,
                weight=1.4 * obj.weight,
                kind="pasted",
            )
        )


def _seen_by(camera: Camera, path: ObjectPath) -> tuple[Floats, Floats, Floats]:
    """Position, scale and angle in every frame of a path that is given in pixels of the camera's mean view."""
    mean = Camera(
        np.broadcast_to(camera.centre.mean(0), camera.centre.shape),
        np.full(len(camera.scale), camera.scale.mean()),
        np.full(len(camera.angle), camera.angle.mean()),
        camera.size,
    )
    offset = path.position - np.array(camera.size[::-1]) / 2
    position = camera.to_output(mean.centre + np.einsum("fij,fj->fi", mean.matrices(), offset))
    return position, path.scale * mean.scale / camera.scale, path.angle + mean.angle - camera.angle


def _draw(
    clip: SceneClip, cutout: Cutout, position: Floats, scale: Floats, angle: Floats, base: int, brightness: float
) -> None:
    """Draws a cut-out at (F, 2) positions with (F,) scales and angles; its labels are raised by `base`."""
    frames, (height, width), (h, w) = len(clip.labels), clip.size, cutout.labels.shape[1:]
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    half = np.stack([(w * cos + h * sin), (w * sin + h * cos)], -1) * scale[:, None] / 2 + 1
    low = np.clip(np.floor(position - half), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(position + half), 0, [width, height]).astype(int)
    # All frames have a window of one size, so that one call draws them all.
    extent = (high - low).max(0)
    if (extent <= 1).any():
        return
    low = np.minimum(low, np.array([width, height]) - extent)
    inverse_cos, inverse_sin = np.cos(angle) / scale, np.sin(angle) / scale
    theta = np.zeros((frames, 2, 3))
    theta[:, 0, 0] = inverse_cos * extent[0] / w
    theta[:, 0, 1] = inverse_sin * extent[1] / w
    theta[:, 1, 0] = -inverse_sin * extent[0] / h
    theta[:, 1, 1] = inverse_cos * extent[1] / h
    away = low + extent / 2 - position
    theta[:, 0, 2] = (inverse_cos * away[:, 0] + inverse_sin * away[:, 1]) * 2 / w
    theta[:, 1, 2] = (-inverse_sin * away[:, 0] + inverse_cos * away[:, 1]) * 2 / h
    grid = make_affine_grid(theta, int(extent[1]), int(extent[0]))
    source, names = _prepare_layers(cutout, brightness)
    layer = F.grid_sample(source.expand(frames, -1, -1, -1), grid, mode="bilinear", align_corners=False)
    marks = F.grid_sample(names.expand(frames, -1, -1, -1), grid, mode="nearest", align_corners=False)
    local = marks[:, 0].round().to(torch.int16).numpy()
    covers = (layer[:, 3] >= 0.5).numpy()
    # The soft edge may be wider than the labels: such pixels belong to the first object, the cut-out as a whole.
    local = np.where(covers & (local == 0), min(cutout.objects[0].labels), local) * covers
    for f in range(frames):
        rows = slice(low[f, 1], low[f, 1] + extent[1])
        columns = slice(low[f, 0], low[f, 0] + extent[0])
        view = clip.frames[f, :, rows, columns]
        view.mul_(1 - layer[f, 3:]).add_(layer[f, :3])
        np.copyto(clip.labels[f, rows, columns], local[f] + np.int16(base), where=local[f] > 0)


def _prepare_layers(cutout: Cutout, brightness: float) -> tuple[Tensor, Tensor]:
    """Premultiplied colour and soft alpha (n, 4, h, w), and labels (n, 1, h, w), both float32."""
    alpha = np.stack([_soften_edge(mask > 0) for mask in cutout.labels])
    colours = cutout.pixels.astype(np.float32) * (brightness * alpha[..., None])
    layers = np.concatenate([np.minimum(colours, 255 * alpha[..., None]), alpha[..., None]], axis=-1)
    source = torch.from_numpy(np.ascontiguousarray(layers.transpose(0, 3, 1, 2)))
    return source, torch.from_numpy(cutout.labels.astype(np.float32))[:, None]


def _soften_edge(mask: Mask) -> NDArray[np.float32]:
    """A soft edge just inside the mask, so that no background of the old picture shines through."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    if min(mask.shape) > 40:
        smaller = image.filter(ImageFilter.MinFilter(3))
        # Thin parts, such as the spokes of a wheel, would be lost: they stay as they are.
        thin = mask & (np.asarray(smaller.filter(ImageFilter.MaxFilter(3))) == 0)
        image = Image.fromarray(np.where(thin, np.uint8(255), np.asarray(smaller)))
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(0.9)), dtype=np.float32) / 255
    return np.where(mask, soft, 0).astype(np.float32)
