"""Measure a model on this machine, on generated frames, in a process of its own: speed, first result, memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from vlp_rvos.arrays import Image
from vlp_rvos.utils.processes import ordered_map

__all__ = ["FRAMES", "SIZE", "measure_models", "moving_squares"]

#: Number and (height, width) of the generated frames: four clips of the default model.
FRAMES, SIZE = 24, (360, 640)


def measure_models(models: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure models, one after the other, each in a new process, so that memory is its own.

    Args:
        models: names of shipped models.

    Returns:
        Name and numbers of each: `load_seconds`, `first_result_seconds` (of the first frame, once the model is loaded),
        `frames_per_second` (after the first clip), `peak_memory_bytes` (None where the system does not tell), `frames`,
        `height`, `width`, `threads`.
    """
    for model in models:
        # With two workers the work is done in other processes; a second one has nothing to do.
        yield from ordered_map(_measure, [model], workers=2)


def moving_squares(frames: int, size: tuple[int, int]) -> Iterator[Image]:
    """Frames of two squares that move over a pattern, (H, W, 3) uint8."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    ground = np.stack([rows * 3 % 200, columns * 2 % 220, (rows + columns) % 180], -1).astype(np.uint8)
    side = height // 4
    for t in range(frames):
        image, x = ground.copy(), (20 + 4 * t) % (width - side)
        image[side : 2 * side, x : x + side] = (220, 40, 40)
        image[2 * side : 3 * side, width - side - x : width - x] = (40, 60, 220)
        yield image


def _measure(model: str) -> dict[str, Any]:
    import torch

    from vlp_rvos.inference.segmenter import Segmenter

    began = time.perf_counter()
    segmenter = Segmenter.from_pretrained(model)
    loaded = time.perf_counter()
    times = [loaded]
    for _ in segmenter.segment(moving_squares(FRAMES, SIZE), "the red square"):
        times.append(time.perf_counter())
    first = min(segmenter.config.clip_length, FRAMES - 1)
    return {
        "load_seconds": round(loaded - began, 3),
        "first_result_seconds": round(times[1] - loaded, 3),
        "frames_per_second": round((FRAMES - first) / (times[-1] - times[first]), 3),
        "peak_memory_bytes": _peak_memory(),
        "frames": FRAMES,
        "height": SIZE[0],
        "width": SIZE[1],
        "threads": torch.get_num_threads(),
    }


def _peak_memory() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
