"""An ablation of three rows on two tiny videos, of which one is held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from training_runs import SMALL

ROWS = [
    {"name": "full", "title": "full model"},
    {"name": "frame", "title": "frame attention", "model": {"attention": "frame"}},
    {
        "name": "tuned",
        "title": "fine-tuned",
        "model": {"tune_backbone": True, "language_prompts": 0, "vision_prompts": 0, "temporal_prompts": 0},
        "train": {"lr_backbone": 1e-3},
    },
]


def write_ablation(folder: Path) -> Path:
    """Write the data, the base configuration and the table's configuration; returns the file of the latter."""
    for video in ("dog", "cat"):
        for t in range(3):
            for kind, suffix, pixels in (
                ("JPEGImages", "jpg", np.full((32, 48, 3), 40 * t, np.uint8)),
                ("Annotations", "png", np.pad(np.ones((8, 8), np.uint8), ((8, 16), (8 + t, 32 - t)))),
            ):
                path = folder / "data" / "videos" / kind / video / f"{t:05d}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    frames = [f"{t:05d}" for t in range(3)]
    about = {video: {"0": {"exp": f"the {video}", "obj_id": "1"}} for video in ("dog", "cat")}
    meta = {"videos": {video: {"expressions": about[video], "frames": frames} for video in about}}
    (folder / "data" / "videos" / "meta_expressions.json").write_text(json.dumps(meta))
    base = {
        "model": {"preset": "mini", "overrides": SMALL},
        "data": {
            "root": str(folder / "data"),
            "sources": [{"kind": "videos", "folder": "videos"}],
            "hold_out": ["cat"],
            "height": 32,
            "width": 48,
            "clip_length": 2,
        },
        "steps": 50,
        "workers": 0,
        "val_samples": 1,
    }
    (folder / "base.yaml").write_text(json.dumps(base))
    whole = {"base": str(folder / "base.yaml"), "train": {"steps": 3}, "seeds": [0, 1], "rows": ROWS}
    path = folder / "table.yaml"
    path.write_text(json.dumps(whole))
    return path


def results(output: Path) -> dict[str, Any]:
    """The results below a table's folder, by run; the time that they took is left out."""
    files = sorted(output.glob("*/seed-*/result.json"))
    kept = {str(file.parent.relative_to(output)): json.loads(file.read_text()) for file in files}
    return {name: run | {"seconds": None} for name, run in kept.items()}
