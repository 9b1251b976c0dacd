"""Miniatures of all six data sets in one folder, each under its name, as the training presets expect them."""

from __future__ import annotations

from pathlib import Path

from image_miniatures import write_a2d, write_jhmdb, write_refcoco
from video_miniatures import write_mevis, write_ref_davis17, write_ref_youtube_vos

#: Config overrides of a model that is small enough to train in a test.
TINY = {
    "width": 32,
    "clip_length": 2,
    "input_size": 32,
    "patch_pool": 1,
    "language_prompts": 2,
    "vision_prompts": 2,
    "temporal_prompts": 1,
    "prompt_width": 16,
    "prompt_layers": 1,
    "prompt_heads": 2,
    "shallow_layers": [1],
    "shared_layers": 0,
    "str_blocks": 1,
    "str_heads": 2,
    "head_width": 16,
}


def all_benchmarks(root: Path) -> Path:
    """Write them, and give back the folder."""
    write_ref_youtube_vos(root / "ref-youtube-vos")
    write_ref_davis17(root / "ref-davis17", frames=3)
    write_mevis(root / "mevis")
    write_a2d(root / "a2d-sentences")
    write_jhmdb(root / "jhmdb-sentences")
    for name in ("refcoco", "refcoco+", "refcocog"):
        write_refcoco(root / "refcoco", name)
    return root
