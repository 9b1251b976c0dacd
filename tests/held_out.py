"""The held-out part of a mixture of small pictures, for object pairs and the grounding probe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from coco_folder import Shape, write_coco

from vlp_rvos.data.mixture import Mixture, build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig, Source

CATEGORIES = ("dog", "car", "cat", "boat")
COLOURS = [(220, 20, 20), (20, 20, 220), (20, 200, 20), (240, 220, 30)]


def held_out_mixture(folder: Path, categories: tuple[str, ...] = CATEGORIES) -> Mixture:
    """Write pictures of one object each, and open the half of them that is held out.

    Args:
        folder: for the pictures.
        categories: of the objects, in turn.
    """
    rng = np.random.default_rng(0)
    pictures = []
    for index in range(24):
        x, y = (int(v) for v in rng.integers(8, 30, 2))
        pictures.append([Shape(categories[index % len(categories)], (x, y, x + 40, y + 30), COLOURS[index % 4])])
    write_coco(folder, pictures)
    config = MixtureConfig(
        root=str(folder.parent),
        sources=(Source("stills", folder.name),),
        clip_length=3,
        height=64,
        width=96,
        hold_out_share=0.5,
    )
    return build_mixture(config, "holdout")
