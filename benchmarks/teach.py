"""What `vlp-rvos teach` gains from a few labelled pictures of one category, and what the model forgets by it.

    python benchmarks/teach.py ../shared/data/stills purse --keep ../shared/data/davis16/train \
        --keep-videos rhino dance-jump scooter-gray

The first pictures of the category, in the order of a hash of their names, are for the test alone; the next ones are
labelled. J is the mean IoU of "the NAME" with everything of that category; what is kept is measured by J on frames of
videos with their own expressions.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from benchmark_options import benchmark_parser, parse_options, write_numbers

from vlp_rvos.data.sources.coco import CocoFolder, CocoImage
from vlp_rvos.data.sources.holdout import hash_share
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.evaluation.picture_runner import mask_ious
from vlp_rvos.formats.read_labelled import read_labelled
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.media.rle import encode_mask
from vlp_rvos.teaching.teacher import REPORT, teach


def pictures_of(coco: CocoFolder, category: str) -> list[CocoImage]:
    """The pictures that show a category, in the order of a hash of their names."""
    found = [image for image in coco.images if any(a.category == category for a in coco.annotations_of(image))]
    return sorted(found, key=lambda image: hash_share(image.file_name))


def union(coco: CocoFolder, image: CocoImage, category: str) -> np.ndarray:
    """(H, W) bool mask of everything of a category in a picture."""
    masks = [coco.mask(a) for a in coco.annotations_of(image) if a.category == category]
    return np.asarray(np.logical_or.reduce(masks))


def write_labels(folder: Path, coco: CocoFolder, images: Sequence[CocoImage], category: str) -> Path:
    """A COCO folder of some pictures in which one category is labelled."""
    (folder / "images").mkdir(parents=True)
    listed: dict[str, Any] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": category}]}
    for number, image in enumerate(images):
        name = Path(image.file_name).name
        (folder / "images" / name).symlink_to((coco.folder / "images" / image.file_name).resolve())
        listed["images"].append({"id": number, "file_name": name, "width": image.width, "height": image.height})
        for annotation in coco.annotations_of(image):
            if annotation.category == category:
                listed["annotations"].append(
                    {
                        "id": len(listed["annotations"]),
                        "image_id": number,
                        "category_id": 1,
                        "segmentation": encode_mask(coco.mask(annotation)),
                        "area": annotation.area,
                        "bbox": list(annotation.box),
                        "iscrowd": int(annotation.crowd),
                    }
                )
    (folder / "instances.json").write_text(json.dumps(listed))
    return folder


def score_pictures(model: str | Path, coco: CocoFolder, images: Sequence[CocoImage], category: str, name: str) -> float:
    """Mean IoU of a model on pictures."""
    segmenter, ious = Segmenter.from_pretrained(model), []
    for image in images:
        (result,) = segmenter.segment([coco.load_image(image)], f"the {name}")
        ious.append(float(mask_ious(result.mask, union(coco, image, category)[None])[0]))
    return fmean(ious)


def score_videos(model: str | Path, folder: Path, names: Sequence[str], every: int) -> dict[str, float]:
    """Mean IoU of a model on every Nth frame of videos, over all their expressions."""
    segmenter, dataset, found = Segmenter.from_pretrained(model), YTVOSDataset(folder), {}
    for video in (video for video in dataset.videos if video.name in names):
        frames = video.frames[::every]
        said = [x for x in video.expressions if x.is_usable]
        results = segmenter.segment((dataset.load_frame(video.name, f) for f in frames), [x.text for x in said])
        ious = []
        for frame, result in zip(frames, results, strict=True):
            ids = dataset.load_ids(video.name, frame)
            ious += [
                float(mask_ious(mask, (ids == x.object_id)[None])[0])
                for x, mask in zip(said, result.masks, strict=True)
            ]
        found[video.name] = fmean(ious)
    return found


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("pictures", type=Path, help="folder in the COCO layout")
    parser.add_argument("category", help="category to teach")
    parser.add_argument("--name", help="what it is called (default: its category)")
    parser.add_argument("--frames", type=int, nargs="+", default=[5, 10, 20], help="numbers of labelled pictures")
    parser.add_argument("--test", type=int, default=20, help="number of pictures for the test")
    parser.add_argument("--keep", type=Path, help="folder in the Ref-YouTube-VOS layout, for what is forgotten")
    parser.add_argument("--keep-videos", nargs="+", default=[], help="its videos")
    parser.add_argument("--every", type=int, default=8, help="take every Nth frame of them")
    parser.add_argument("--minutes", type=float, default=15.0, help="minutes of each lesson")
    parser.add_argument("--model", default="mini")
    arguments = parse_options(parser)
    coco, name = CocoFolder(arguments.pictures), arguments.name or arguments.category
    images = pictures_of(coco, arguments.category)
    test, rest = images[: arguments.test], images[arguments.test :]

    def measure(model: str | Path) -> dict[str, Any]:
        kept = {}
        if arguments.keep is not None:
            kept = score_videos(model, arguments.keep, arguments.keep_videos, arguments.every)
        return {"J": score_pictures(model, coco, test, arguments.category, name), "videos": kept}

    numbers: dict[str, Any] = {
        "category": arguments.category,
        "name": name,
        "test": len(test),
        "minutes": arguments.minutes,
    }
    numbers["before"] = measure(arguments.model)
    numbers["after"] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in arguments.frames:
            labels = write_labels(Path(folder) / f"labels{count}", coco, rest[:count], arguments.category)
            mine = Path(folder) / f"mine{count}"
            teach(read_labelled(labels), mine, name=name, minutes=arguments.minutes, model=arguments.model)
            report = json.loads((mine / REPORT).read_text())
            held_out = [report[when]["j"] for when in ("before", "after")]
            numbers["after"][count] = measure(mine) | {"mix": report["mix"], "held-out J": held_out}
    write_numbers(numbers, arguments.json)


if __name__ == "__main__":
    main()
