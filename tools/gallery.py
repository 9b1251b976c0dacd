"""Make the gallery: what the installed command does with the example clips, failures included.

    python tools/gallery.py                     # docs/gallery.md and docs/gallery/*.jpg
    python tools/gallery.py --only cat -o /tmp  # one scene, elsewhere

Runs `vlp-rvos segment` for each expression. Pictures, numbers and verdicts all come from what it wrote: a mask is
compared with a rough outline of the thing that was drawn on the photograph by hand (`tools/make_examples.py`) and moves
with it.
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
#: scene -> clip and expressions, each with the thing of the clip that it names; None: nothing in the clip
SCENES: dict[str, tuple[str, dict[str, str | None]]] = {
    "cat": ("cat", {"the cat": "cat", "a dog": None}),
    "astronaut": ("astronaut", {"the person in the orange suit": "person", "the black helmet": "helmet"}),
    "shuttle": ("astronaut", {"the space shuttle": "shuttle", "a bicycle": None}),
    "coffee": ("coffee", {"the cup": "cup", "the spoon": "spoon", "a bus": None}),
}
SHOWN, WIDTH, QUALITY = 4, 300, 80
MOST_BYTES = 1_500_000
FOUND, PARTLY = 0.5, 0.2
THERE = 0.5
EMPTY = 0.001


@dataclass(frozen=True)
class Finding:
    """What a run says about one expression; means over the frames.

    Attributes:
        expression: its text.
        presence: probability that it is there.
        area: share of the picture that its mask covers.
        overlap: IoU with the rough outline of what it names; None where it names nothing.
    """

    expression: str
    presence: float
    area: float
    overlap: float | None

    @property
    def verdict(self) -> str:
        """In words; what went wrong is called a failure."""
        if self.overlap is None:
            if self.presence >= THERE:
                return "**failure**: is not there, and is said to be"
            return "rightly said not to be there" + (", though a mask is drawn" if self.area > EMPTY else "")
        doubt = "" if self.presence >= THERE else ", but said not to be there"
        if self.overlap >= FOUND:
            return f"**failure**: found{doubt}" if doubt else "found"
        if self.area <= EMPTY:
            return "**failure**: no mask"
        return f"**failure**: {'only partly right' if self.overlap >= PARTLY else 'wrong place'}{doubt}"


def judge(masks_json: dict[str, Any], clip: str, thing: str | None) -> Finding:
    """Compare the `masks.json` of a run with one expression with the outline of what it names."""
    objects = [frame["objects"][0] for frame in masks_json["frames"]]
    masks = [decode_mask(entry["segmentation"]) for entry in objects]
    overlap = None
    if thing is not None:
        pairs = zip(masks, CLIPS[clip].masks(thing), strict=True)
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


def run_scene(scene: str, model: str) -> tuple[str, bytes, list[Finding]]:
    """Run the commands of a scene: how they are typed, the contact sheet, and what was found."""
    clip, named = SCENES[scene]
    commands, rows, findings = [], [], []
    for expression, thing in named.items():
        arguments = ["segment", f"examples/{clip}.mp4", expression]
        arguments += [] if model == "mini" else ["--model", model]
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "vlp_rvos", *arguments, "-o", folder]
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            findings.append(judge(json.loads((Path(folder) / "masks.json").read_text()), clip, thing))
            rows.append(shown_frames(Path(folder) / "overlay.mp4"))
        commands.append(f"vlp-rvos {shlex.join(arguments)} -o out")
    return "\n".join(commands), contact_sheet(rows), findings


def section(scene: str, commands: str, findings: list[Finding]) -> str:
    """The part of the page about one scene."""
    rows = [
        f"| {x.expression} | {x.verdict} | {x.presence:.2f} | {100 * x.area:.1f} % | "
        f"{'' if x.overlap is None else f'{100 * x.overlap:.0f} %'} |"
        for x in findings
    ]
    return "\n".join(
        [
            f"## {scene}",
            "",
            f"```bash\n{commands}\n```",
            "",
            f"![{SHOWN} frames of {scene}, one row for each expression](gallery/{scene}.jpg)",
            "",
            "| expression | what came of it | presence | area of the mask | overlap with the outline |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Write the page and its pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SCENES, action="append", help="only this scene; repeatable")
    parser.add_argument("--output", "-o", type=Path, default=ROOT / "docs")
    parser.add_argument("--model", default="mini")
    options = parser.parse_args()
    results = {scene: run_scene(scene, options.model) for scene in options.only or SCENES}
    size = sum(len(sheet) for _, sheet, _ in results.values())
    if size > MOST_BYTES:
        sys.exit(f"the pictures take {size} bytes, more than {MOST_BYTES}: show fewer or smaller frames")
    for scene, (_, sheet, _) in results.items():
        write_bytes(options.output / "gallery" / f"{scene}.jpg", sheet)
    failures = sum("failure" in finding.verdict for _, _, findings in results.values() for finding in findings)
    asked = sum(len(findings) for _, _, findings in results.values())
    intro = (
        "# Gallery\n\n"
        "Made by `python tools/gallery.py`: the command with the shipped model, nothing chosen, nothing retouched.\n"
        "The clips are slow camera moves over public-domain and CC0 photographs (`examples/README.md`).\n"
        f"{failures} of {asked} expressions fail.\n\n"
        "Presence is the mean probability that the expression's target is in the frame. An expression counts as\n"
        f"found where its masks overlap a rough outline, drawn by hand, by {100 * FOUND:.0f} % (IoU, mean over the\n"
        f"frames), and its presence is at least {THERE}.\n\n"
    )
    page = intro + "\n".join(section(scene, commands, findings) for scene, (commands, _, findings) in results.items())
    write_bytes(options.output / "gallery.md", page.encode())


if __name__ == "__main__":
    main()
