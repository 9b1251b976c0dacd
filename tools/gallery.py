"""Make the gallery and the picture of the README: what the command does with the example clips, failures included.

    python tools/gallery.py                     # docs/gallery.md, docs/gallery/*.jpg and docs/segment.jpg
    python tools/gallery.py --only cat -o /tmp  # one scene, elsewhere

Runs `vlp-rvos segment` for each expression. Pictures, numbers and verdicts all come from its output: a mask is compared
with a rough outline of the target, which was drawn on the photograph by hand (`tools/make_examples.py`) and moves with
the camera.
"""

from __future__ import annotations

import argparse
import io
import json
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from make_examples import CLIPS
from PIL import Image

from vlp_rvos.media.rle import decode_mask
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.utils.atomic import write_bytes

ROOT = Path(__file__).parents[1]
#: scene -> clip, and expressions with the objects of the clip that each names, which may be none
SCENES: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "polar-bear": ("polar-bear", {"the polar bear": ("polar bear",), "a bus": ()}),
    "cat": ("cat", {"the cat": ("cat",), "a dog": ()}),
    "astronaut": ("astronaut", {"the person in the orange suit": ("person",), "the black helmet": ("helmet",)}),
    "shuttle": ("astronaut", {"the space shuttle": ("shuttle",), "a bicycle": ()}),
    "coffee": ("coffee", {"the cup": ("cup",), "the spoon": ("spoon",), "a bus": ()}),
    "hens": (
        "hens",
        {
            "the hen on the left": ("first hen",),
            "the hen on the right": ("fourth hen",),
            "all four hens": ("first hen", "second hen", "third hen", "fourth hen"),
            "a duck": (),
        },
    ),
    "cows": (
        "cows",
        {
            "the cow in front": ("cow in front",),
            "both cows in the background": ("left cow behind", "right cow behind"),
            "the black cow on the left": ("left cow behind",),
            "a horse": (),
        },
    ),
}
#: the scene whose first expression the README shows
HEADLINE = "polar-bear"
SHOWN, WIDTH, QUALITY = 4, 300, 80
MOST_BYTES, MOST_BYTES_HEADLINE = 1_500_000, 300_000
#: smallest mean IoU of a target that counts as found, and as partly found
FOUND, PARTLY = 0.5, 0.2
#: largest share of the frame that still counts as no mask
EMPTY = 0.001


@dataclass(frozen=True)
class Finding:
    """The result of a run for one expression; all numbers are means over the frames.

    Attributes:
        expression: Its text.
        presence: Predicted probability that the target is in the frame.
        area: Share of the frame that the mask covers.
        overlap: IoU of the mask with the rough outline of the target; None where the expression has no target.
    """

    expression: str
    presence: float
    area: float
    overlap: float | None

    @property
    def verdict(self) -> str:
        """The result in words; a mistake is called a failure."""
        if self.overlap is None:
            return "nothing marked, as is right" if self.area <= EMPTY else "**failure**: absent, but a mask is drawn"
        if self.overlap >= FOUND:
            return "found"
        if self.area <= EMPTY:
            return "**failure**: no mask"
        return f"**failure**: {'only partly right' if self.overlap >= PARTLY else 'wrong place'}"


def judge(masks_json: dict[str, Any], clip: str, things: tuple[str, ...]) -> Finding:
    """Compare the `masks.json` of a run with one expression to the outlines of what it names."""
    objects = [frame["objects"][0] for frame in masks_json["frames"]]
    masks = [decode_mask(entry["segmentation"]) for entry in objects]
    overlap = None
    if things:
        pairs = zip(masks, CLIPS[clip].masks(*things), strict=True)
        overlap = float(np.mean([(m & t).sum() / max((m | t).sum(), 1) for m, t in pairs]))
    presence = float(np.mean([entry["presence"] for entry in objects]))
    return Finding(objects[0]["expression"], presence, float(np.mean(masks)), overlap)


def shown_frames(video: Path) -> list[Image.Image]:
    """Evenly spaced frames, `WIDTH` pixels wide."""
    frames = [Image.fromarray(frame.image) for frame in open_video(video)]
    chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, SHOWN).round().astype(int)]
    size = WIDTH, round(WIDTH * chosen[0].height / chosen[0].width)
    return [image.resize(size, Image.Resampling.LANCZOS) for image in chosen]


def contact_sheet(rows: list[list[Image.Image]]) -> bytes:
    """A JPEG of rows of frames of one size."""
    width, height = rows[0][0].size
    sheet = Image.new("RGB", (SHOWN * width, len(rows) * height))
    for number, row in enumerate(rows):
        for column, image in enumerate(row):
            sheet.paste(image, (column * width, number * height))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


@dataclass(frozen=True)
class Scene:
    """What the commands of a scene left.

    Attributes:
        name: Key of `SCENES`.
        commands: The commands as a user types them.
        frames: Some frames of the clip.
        overlays: The same frames of the overlay, a row for each expression.
        findings: The result of each expression.
    """

    name: str
    commands: list[str]
    frames: list[Image.Image]
    overlays: list[list[Image.Image]]
    findings: list[Finding]


def run_scene(name: str, model: str) -> Scene:
    """Run the commands of a scene."""
    clip, targets = SCENES[name]
    scene = Scene(name, [], shown_frames(ROOT / "examples" / f"{clip}.mp4"), [], [])
    for expression, target in targets.items():
        arguments = ["segment", f"examples/{clip}.mp4", expression]
        arguments += [] if model == "mini" else ["--model", model]
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "vlp_rvos", *arguments, "-o", folder]
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            scene.findings.append(judge(json.loads((Path(folder) / "masks.json").read_text()), clip, target))
            scene.overlays.append(shown_frames(Path(folder) / "overlay.mp4"))
        scene.commands.append(f"vlp-rvos {shlex.join(arguments)} -o out")
    return scene


def section(scene: Scene) -> str:
    """The part of the page about one scene."""
    rows = [
        f"| {x.expression} | {x.verdict} | {x.presence:.2f} | {100 * x.area:.1f} % | "
        f"{'' if x.overlap is None else f'{100 * x.overlap:.0f} %'} |"
        for x in scene.findings
    ]
    return "\n".join(
        [
            f"## {scene.name}",
            "",
            "```bash",
            *scene.commands,
            "```",
            "",
            f"![{SHOWN} frames of {scene.name}, one row for each expression](gallery/{scene.name}.jpg)",
            "",
            "| expression | result | presence | area of the mask | overlap with the outline |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def page(scenes: list[Scene]) -> str:
    """The whole gallery."""
    verdicts = [finding.verdict for scene in scenes for finding in scene.findings]
    failures = sum("failure" in verdict for verdict in verdicts)
    return (
        "# Gallery\n\n"
        "Made by `python tools/gallery.py`: the command with the shipped model, nothing selected, nothing retouched.\n"
        "The clips are slow camera moves over photographs with a free licence ([examples](../examples/README.md)).\n"
        f"{failures} of {len(verdicts)} expressions fail.\n\n"
        "Presence is the mean probability that the target of the expression is in the frame. An expression counts as\n"
        f"found if its masks overlap a rough outline, drawn by hand, by {100 * FOUND:.0f} % (mean IoU over the\n"
        "frames). For what is not there, no mask is right.\n\n" + "\n".join(section(scene) for scene in scenes)
    )


def main() -> None:
    """Write the page and its pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SCENES, action="append", help="only this scene; repeatable")
    parser.add_argument("--output", "-o", type=Path, default=ROOT / "docs", help="folder of the page")
    parser.add_argument("--model", default="mini", help="name of a model, or a checkpoint")
    options = parser.parse_args()
    scenes = [run_scene(name, options.model) for name in options.only or SCENES]
    pictures = {f"gallery/{scene.name}.jpg": contact_sheet(scene.overlays) for scene in scenes}
    check_size(sum(map(len, pictures.values())), MOST_BYTES)
    for scene in scenes:
        if scene.name == HEADLINE:
            pictures["segment.jpg"] = contact_sheet([scene.frames, scene.overlays[0]])
            check_size(len(pictures["segment.jpg"]), MOST_BYTES_HEADLINE)
    for name, picture in pictures.items():
        write_bytes(options.output / name, picture)
    write_bytes(options.output / "gallery.md", page(scenes).encode())


def check_size(size: int, limit: int) -> None:
    """Stop before pictures are written that are too large for the documents."""
    if size > limit:
        sys.exit(f"the pictures take {size} bytes, more than {limit}: show fewer or smaller frames")


if __name__ == "__main__":
    main()
