"""Small data sets to make a mixture of: pictures of two dogs and a car, and videos of a moving white square."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from coco_folder import Shape, write_coco
from PIL import Image

from vlp_rvos.data.mixture_config import MixtureConfig, Source

COLOURS = [(220, 20, 20), (20, 20, 220), (20, 200, 20), (240, 220, 30)]


def write_videos(folder: Path, frames: int = 12) -> Path:
    """A white square that moves left in each of two videos, a "duck" and a "boat"."""
    meta = {}
    for number, name in enumerate(("duck", "boat")):
        for kind in ("JPEGImages", "Annotations"):
            (folder / kind / name).mkdir(parents=True)
        for f in range(frames):
            ids = np.zeros((72, 128), np.uint8)
            ids[20:50, 70 - 4 * f : 100 - 4 * f] = 1
            pixels = np.full((72, 128, 3), 60 + 40 * number, np.uint8)
            pixels[ids == 1] = 250
            Image.fromarray(pixels).save(folder / "JPEGImages" / name / f"{f:05}.jpg", quality=95)
            image = Image.fromarray(ids, "P")
            image.putpalette([0, 0, 0, 255, 255, 255])
            image.save(folder / "Annotations" / name / f"{f:05}.png")
        said = [f"a {name}", f"the {name} moving to the left"]
        meta[name] = {
            "expressions": {str(k): {"exp": text, "obj_id": "1"} for k, text in enumerate(said)},
            "frames": [f"{f:05}" for f in range(frames)],
        }
    (folder / "meta_expressions.json").write_text(json.dumps({"videos": meta}))
    return folder


def forget_video(folder: Path, name: str) -> None:
    """Take a video off the list."""
    meta = json.loads((folder / "meta_expressions.json").read_text())
    del meta["videos"][name]
    (folder / "meta_expressions.json").write_text(json.dumps(meta))


def write_parts(videos: Path, folder: Path) -> Path:
    """Annotations of the same videos, without pictures, that split the square into a "hull" and a "sail"."""
    shutil.copytree(videos / "Annotations", folder / "Annotations")
    meta = json.loads((videos / "meta_expressions.json").read_text())
    for name in meta["videos"]:
        meta["videos"][name]["expressions"] = {
            str(k): {"exp": f"the {part}", "obj_id": str(k)} for k, part in ((1, "hull"), (2, "sail"))
        }
        for file in (folder / "Annotations" / name).iterdir():
            ids = np.array(Image.open(file))
            ids[:35] *= 2
            Image.fromarray(ids).save(file)
    (folder / "meta_expressions.json").write_text(json.dumps(meta))
    return folder


def write_mixture(root: Path) -> MixtureConfig:
    """A mixture of 16 pictures and two videos, one of which is held out."""
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(16):
        x, y = (int(v) for v in rng.integers(8, 30, 2))
        order = rng.permutation(4)
        pictures.append(
            [
                Shape("dog", (x, y, x + 40, y + 30), COLOURS[order[0]]),
                Shape("dog", (x + 50, y, x + 90, y + 40), COLOURS[order[1]]),
                Shape("car", (x + 95, y + 5, x + 125, y + 45), COLOURS[order[2]]),
            ]
        )
    write_coco(root / "stills", pictures)
    write_videos(root / "videos")
    return MixtureConfig(
        root=str(root),
        sources=(Source("videos", "videos"), Source("stills", "stills")),
        clip_length=3,
        height=64,
        width=96,
        hold_out=("boat",),
        hold_out_share=0.3,
    )
