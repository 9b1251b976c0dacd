"""Writes a test of whether things are told apart by their looks alone: held-out pictures side by side.

    python benchmarks/line_ups.py ../shared/data line-ups
    vlp-rvos evaluate pictures line-ups --part all

In the first half of the pictures, things of different kinds stand side by side, with what people say of each
(`expressions.json`, from `imagenet`); in the second half two to four people, with generated expressions that say what
one of them wears (`clothes.json`, from `stills`). The pictures are those that the recipe `mini` holds out.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vlp_rvos.data.language.invariance import holds_in_company
from vlp_rvos.data.line_ups import LineUp, draw_line_up
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.outlined_pictures import StillPicture
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.picture_sources import open_pictures
from vlp_rvos.data.sources.described_pictures import PictureExpression
from vlp_rvos.data.synthesis.label_maps import find_bounds
from vlp_rvos.errors import UserError
from vlp_rvos.media.rle import encode_mask

#: expressions about people, and false ones, of a line-up
ABOUT_PEOPLE, ABSENT = 6, 3
#: expressions that are generated to choose from
GENERATED = 60


def held_out(data: Path, source: PictureSource) -> list[StillPicture]:
    """The pictures of a source that are held out."""
    (opened,) = open_pictures([source], MixtureConfig(root=str(data)))
    return [picture for picture in opened.held_out if isinstance(picture, StillPicture)]


def about_clothes(line_up: LineUp, seed: int) -> list[PictureExpression]:
    """What one of the people wears, and what nobody wears."""
    made = [x for x in line_up.generate(np.random.default_rng(seed), GENERATED) if holds_in_company(x.text)]
    people = [x for x in made if [line_up.annotations[i].category for i in x.thing_ids] == ["person"]]
    return people[:ABOUT_PEOPLE] + [x for x in made if not x.thing_ids][:ABSENT]


def entry(expressions: Sequence[PictureExpression], ids: dict[str, int]) -> dict[str, Any]:
    """The expressions of a picture in the form of `expressions.json`."""
    objects: dict[str, list[str]] = {}
    for x in expressions:
        if len(x.thing_ids) == 1:
            objects.setdefault(str(ids[x.thing_ids[0]]), []).append(x.text)
    return {"objects": objects, "absent": [x.text for x in expressions if not x.thing_ids]}


def write(folder: Path, line_ups: Sequence[LineUp]) -> None:
    """Write line-ups as described pictures; see `vlp_rvos.data.sources.described_pictures`."""
    listed: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    said: dict[str, dict[str, Any]] = {"expressions": {}, "clothes": {}}
    (folder / "images").mkdir()
    for number, line_up in enumerate(line_ups, 1):
        loaded, name = line_up.load(), f"line-up-{number:03d}.png"
        Image.fromarray(loaded.pixels).save(folder / "images" / name)
        height, width = loaded.pixels.shape[:2]
        listed["images"].append({"id": number, "file_name": name, "width": width, "height": height})
        ids = {}
        for thing, mask in zip(loaded.ids, loaded.masks, strict=True):
            ids[thing] = len(listed["annotations"]) + 1
            left, top, right, bottom = find_bounds(mask) or (0, 0, 0, 0)
            listed["annotations"].append(
                {
                    "id": ids[thing],
                    "image_id": number,
                    "category_id": 1,
                    "segmentation": encode_mask(mask),
                    "bbox": [left, top, right - left, bottom - top],
                    "iscrowd": 0,
                }
            )
        if line_up.expressions:
            said["expressions"][name] = entry(line_up.expressions, ids)
        else:
            said["clothes"][name] = entry(about_clothes(line_up, number), ids)
    instances = {**listed, "categories": [{"id": 1, "name": "thing"}]}
    (folder / "instances.json").write_text(json.dumps(instances))
    for kind, images in said.items():
        (folder / f"{kind}.json").write_text(json.dumps({"images": images}))


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with imagenet/ and stills/")
    parser.add_argument("folder", type=Path, help="new folder for the test")
    parser.add_argument("--count", type=int, default=60, help="line-ups of either kind")
    arguments = parser.parse_args()
    sources = [
        PictureSource("imagenet"),
        PictureSource("stills", collections=("Clothing Co-Parsing",), hold_out_share=0.08),
    ]
    try:
        drawn = [
            draw_line_up(pictures, seed)
            for pictures in (held_out(arguments.data, source) for source in sources)
            for seed in range(arguments.count)
        ]
        arguments.folder.mkdir()
        write(arguments.folder, [line_up for line_up in drawn if line_up is not None])
    except (UserError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
