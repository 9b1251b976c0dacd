"""A camera that moves over a picture or a video.

The paper turns pictures into pseudo clips by random affine motion [P]; how far and how fast the camera moves is our
decision [D]. `docs/method.md` explains the marks. Shapes: F frames of (H, W) pixels, made of (h, w) source pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vlp_rvos.data.synthesis.label_maps import LabelMap, Pixels
from vlp_rvos.data.synthesis.smooth_curves import draw_smooth_curve

__all__ = ["Camera", "apply_camera", "draw_camera", "make_affine_grid"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """What each frame shows of the source: source = centre + scale * R(angle) @ (output - output centre).

    Attributes:
        centre: (F, 2) x and y of the middle of the view, in source pixels.
        scale: (F,) source pixels per output pixel.
        angle: (F,) rotation in radians.
        size: (H, W) of the output.
    """

    centre: Floats
    scale: Floats
    angle: Floats
    size: tuple[int, int]

    def matrices(self) -> Floats:
        """(F, 2, 2) linear parts of the maps from output to source."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turned = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
        return np.asarray(self.scale[:, None, None] * turned)

    def to_output(self, points: Floats) -> Floats:
        """Maps one point a frame, (F, 2) in source pixels, to (F, 2) output pixels."""
        inverse = np.linalg.inv(self.matrices())
        middle = np.array([self.size[1], self.size[0]]) / 2
        return np.asarray(np.einsum("fij,fj->fi", inverse, points - self.centre) + middle)


def draw_camera(
    source: tuple[int, int],
    size: tuple[int, int],
    frames: int,
    rng: np.random.Generator,
    focus: tuple[float, float, float, float] | None = None,
    zoom: tuple[float, float] = (0.55, 1.0),
) -> Camera:
    """Draws a camera that moves smoothly and never looks past the border of the source.

    Args:
        source: (h, w) of the picture or video.
        size: (H, W) of the frames.
        frames: Number of frames F.
        rng: Source of all choices.
        focus: Left, top, right and bottom, in source pixels, of what the camera should show.
        zoom: Smallest and largest size of the view, relative to the largest view that fits into the source.
    """
    (h, w), (height, width) = source, size
    largest = min(h / height, w / width)
    ratio = rng.uniform(*zoom)
    if focus is not None:
        wish = max((focus[2] - focus[0]) / width, (focus[3] - focus[1]) / height) / largest
        ratio = max(ratio, min(1.0, wish * rng.uniform(0.8, 1.3)))
    # Fixed, calm, lively or hand-held.
    kind = rng.choice(4, p=[0.2, 0.4, 0.25, 0.15])
    amount = (0.0, 0.5, 1.2, 0.4)[kind]
    view = np.array([width, height]) * largest * ratio
    pan = np.stack([draw_smooth_curve(frames, rng) * rng.normal(0, 0.09) for _ in range(2)], -1) * view * amount
    log_scale = draw_smooth_curve(frames, rng) * rng.normal(0, 0.09) * amount
    angle = draw_smooth_curve(frames, rng) * np.deg2rad(rng.normal(0, 3.5)) * amount + np.deg2rad(rng.normal(0, 2.0))
    if kind == 3:
        noise = rng.normal(size=(frames + 2, 3))
        shake = (noise[:-2] + noise[1:-1] + noise[2:]) / 3
        pan = pan + shake[:, :2] * view * 0.012
        angle = angle + shake[:, 2] * 0.008
    if focus is None:
        centre = np.array([rng.uniform(0, w), rng.uniform(0, h)])
    else:
        centre = np.array([rng.uniform(focus[0], focus[2]), rng.uniform(focus[1], focus[3])])
        centre = centre + rng.uniform(-0.4, 0.4, 2) * np.maximum(view - [focus[2] - focus[0], focus[3] - focus[1]], 0)
    camera = Camera(centre + pan, largest * ratio * np.exp(log_scale), angle, size)
    return _move_inside(camera, source)


def _move_inside(camera: Camera, source: tuple[int, int]) -> Camera:
    """Shrinks and shifts a camera path as a whole until every corner of every frame lies in the source."""
    height, width = camera.size
    corners = np.array([[x, y] for x in (-width / 2, width / 2) for y in (-height / 2, height / 2)])
    seen = camera.centre[:, None] + np.einsum("fij,cj->fci", camera.matrices(), corners)
    low, high = seen.min((0, 1)), seen.max((0, 1))
    limit = np.array([source[1], source[0]], dtype=np.float64)
    shrink = min(1.0, float((limit / (high - low)).min()))
    middle = (low + high) / 2
    half = shrink * (high - low) / 2
    wanted = np.clip(middle, half, limit - half)
    return replace(camera, centre=wanted + shrink * (camera.centre - middle), scale=camera.scale * shrink)


def apply_camera(pixels: Pixels, labels: LabelMap, camera: Camera) -> tuple[Tensor, LabelMap]:
    """Shows a picture, or a video, through a moving camera.

    Args:
        pixels: (h, w, 3) uint8 of a picture, or (F, h, w, 3) of a video.
        labels: Its label map (h, w) or (F, h, w), which moves with the pixels (nearest neighbour).
        camera: The view of each of F frames.

    Returns:
        (F, 3, H, W) float32 RGB in 0 .. 255, and the label map (F, H, W).
    """
    h, w = labels.shape[-2:]
    height, width = camera.size
    frames = len(camera.scale)
    theta = np.zeros((frames, 2, 3))
    theta[:, :, :2] = camera.matrices() * np.array([[width / w, height / w], [width / h, height / h]])
    theta[:, :, 2] = camera.centre * 2 / np.array([w, h]) - 1
    grid = make_affine_grid(theta, height, width)
    channels = np.ascontiguousarray(pixels.reshape(-1, h, w, 3).transpose(0, 3, 1, 2), dtype=np.float32)
    image = torch.from_numpy(channels).expand(frames, -1, -1, -1)
    moved = F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
    names = torch.from_numpy(labels.reshape(-1, 1, h, w).astype(np.float32)).expand(frames, -1, -1, -1)
    warped = F.grid_sample(names, grid, mode="nearest", padding_mode="border", align_corners=False)
    return moved, warped[:, 0].round().to(torch.int16).numpy()


def make_affine_grid(theta: Floats, height: int, width: int) -> Tensor:
    """Turns (F, 2, 3) affine maps into (F, height, width, 2) sampling positions.

    The same as `torch.nn.functional.affine_grid`, at a quarter of its cost.
    """
    grid = torch.empty(len(theta), height, width, 2)
    xs = ((torch.arange(width) + 0.5) * 2 / width - 1)[None, None, :]
    ys = ((torch.arange(height) + 0.5) * 2 / height - 1)[None, :, None]
    for axis, (a, b, c) in enumerate(torch.from_numpy(theta).float().permute(1, 2, 0)[..., None, None]):
        torch.add(a * xs, b * ys + c, out=grid[..., axis])
    return grid
