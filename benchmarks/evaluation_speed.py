"""How fast a split is scored: the plain computation of every frame against `evaluate_dataset`, with values compared.

    python benchmarks/evaluation_speed.py --videos 4 --frames 40 --json evaluation_speed.json

Both score the same folder of predicted masks against the same folder of annotations, in turns, from files to means. The
plain computation is that of the official programs: one process; each expression reads its masks and the annotations; J
and F are computed on whole images, with a dilation of each boundary by a disk (with OpenCV, like the official code,
where it is installed, else with SciPy). Without `--data` the videos are drawn: moving blobs, a few expressions an
object.

Prints one JSON object. The exit code is 1 where ours is less than 3 times as fast, or its values differ.
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmark_options import benchmark_parser, parse_options, write_numbers
from numpy.typing import NDArray
from PIL import Image

from vlp_rvos.data.benchmarks.ref_youtube_vos import open_folder
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset
from vlp_rvos.evaluation.runner import evaluate_dataset
from vlp_rvos.profiling.timing import time_alternately
from vlp_rvos.utils.processes import available_cores

try:
    import cv2
except ImportError:
    cv2 = None

WANTED_RATIO, LARGEST_DIFFERENCE = 3.0, 1e-9

Mask = NDArray[np.bool_]
Scores = dict[tuple[str, str], tuple[list[float], list[float]]]

HEIGHT, WIDTH = 480, 854
OBJECTS, EXPRESSIONS = 2, 4
#: (rows, columns) by which the prediction of each expression is shifted from the truth
SHIFTS = ((0, 0), (3, -2), (12, 8), (60, 40))


def main() -> int:
    parser = benchmark_parser(__doc__, rounds=2)
    parser.add_argument("--data", type=Path, help="folder in the Ref-YouTube-VOS layout; default: drawn videos")
    parser.add_argument("--videos", type=int, default=4, help="number of videos to draw, or to take from --data")
    parser.add_argument("--frames", type=int, default=24, help="frames of each drawn video")
    parser.add_argument("--workers", type=int, default=available_cores(), help="processes that score")
    arguments = parse_options(parser)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        data = arguments.data or draw(root / "data", arguments.videos, arguments.frames)
        dataset = open_folder(data)
        dataset.videos = list(dataset.videos)[: arguments.videos]
        predict(dataset, root / "masks")
        results: dict[str, Scores] = {}
        forms: dict[str, Callable[[], Scores]] = {
            "plain": lambda: plain(dataset, data / "Annotations", root / "masks"),
            "ours": lambda: ours(dataset, root / "masks", arguments.workers),
            "ours, one process": lambda: ours(dataset, root / "masks", 1),
        }
        keep = {name: lambda name=name, form=form: results.__setitem__(name, form()) for name, form in forms.items()}
        seconds = time_alternately(keep, arguments.rounds)
        report = summary(dataset, seconds, results, arguments.workers)
    write_numbers(report, arguments.json)
    return int(report["ratio"] < WANTED_RATIO or report["largest_difference"] > LARGEST_DIFFERENCE)


def summary(
    dataset: ReferringDataset, seconds: dict[str, float], results: dict[str, Scores], workers: int
) -> dict[str, Any]:
    """The numbers of the benchmark."""
    plain_values, our_values = (
        np.concatenate([np.ravel(pair) for pair in results[name].values()]) for name in ("plain", "ours")
    )
    masks = sum(len(video.frames) * len(video.expressions) for video in dataset.videos)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average": os.getloadavg()[0],
        "videos": len(dataset.videos),
        "masks": masks,
        "workers": workers,
        "dilation": "SciPy" if cv2 is None else "OpenCV",
        "median_seconds": seconds,
        "masks_per_second": {name: masks / median for name, median in seconds.items()},
        "ratio": seconds["plain"] / seconds["ours"],
        "ratio_one_process": seconds["plain"] / seconds["ours, one process"],
        "largest_difference": float(abs(plain_values - our_values).max()),
    }


def ours(dataset: ReferringDataset, masks: Path, workers: int) -> Scores:
    scores = evaluate_dataset(dataset, masks, workers=workers)
    return {(video, key): (e.j, e.f) for video, entries in scores.videos.items() for key, e in entries.items()}


def plain(dataset: ReferringDataset, annotations: Path, masks: Path) -> Scores:
    scores: Scores = {}
    for video in dataset.videos:
        for expression in video.expressions:
            j, f = [], []
            for frame in video.frames:
                ids = np.asarray(Image.open(annotations / video.name / f"{frame}.png"))
                truth = np.isin(ids, expression.object_ids or ())
                mask = np.asarray(Image.open(masks / video.name / expression.id / f"{frame}.png")) > 0
                j.append(plain_j(mask, truth))
                f.append(plain_f(mask, truth))
            scores[video.name, expression.id] = (j, f)
    return scores


def plain_j(mask: Mask, truth: Mask) -> float:
    union = np.sum(mask | truth)
    return float(np.sum(mask & truth) / union) if union else 1.0


def plain_f(mask: Mask, truth: Mask) -> float:
    radius = math.ceil(0.008 * math.hypot(*mask.shape))
    predicted, true = plain_boundary(mask), plain_boundary(truth)
    if not predicted.any() or not true.any():
        return float(predicted.any() == true.any())
    precision = np.sum(predicted & dilated(true, radius)) / np.sum(predicted)
    recall = np.sum(true & dilated(predicted, radius)) / np.sum(true)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def plain_boundary(mask: Mask) -> Mask:
    right, below, across = np.zeros((3, *mask.shape), bool)
    right[:, :-1], below[:-1], across[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    boundary = (mask ^ right) | (mask ^ below) | (mask ^ across)
    boundary[-1] = mask[-1] ^ right[-1]
    boundary[:, -1] = mask[:, -1] ^ below[:, -1]
    boundary[-1, -1] = False
    return boundary


def dilated(boundary: Mask, radius: int) -> Mask:
    steps = np.arange(-radius, radius + 1)
    disk = steps[:, None] ** 2 + steps**2 <= radius**2
    if cv2 is not None:
        return cv2.dilate(boundary.astype(np.uint8), disk.astype(np.uint8)) > 0
    from scipy.ndimage import binary_dilation

    result: Mask = binary_dilation(boundary, disk)
    return result


def draw(folder: Path, videos: int, frames: int) -> Path:
    """Write a data set of drifting ellipses with a bite; annotations only, since no model runs here."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    names = [f"{frame:05}" for frame in range(frames)]
    meta: dict[str, Any] = {}
    for video in range(videos):
        name = f"video{video}"
        (folder / "Annotations" / name).mkdir(parents=True)
        for t, frame in enumerate(names):
            ids = np.zeros((HEIGHT, WIDTH), np.uint8)
            for i in range(1, OBJECTS + 1):
                y, x = 160 * i + 10 * video, 150 + 200 * i + 4 * t
                ellipse = ((rows - y) / 90) ** 2 + ((columns - x) / (120 - 10 * video)) ** 2 < 1
                bite = (rows - y + 60) ** 2 + (columns - x - t) ** 2 < 40**2
                ids[ellipse & ~bite] = i
            image = Image.fromarray(ids)
            image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
            image.save(folder / "Annotations" / name / f"{frame}.png")
        expressions = {
            str(i): {"exp": f"object {1 + i // EXPRESSIONS}", "obj_id": str(1 + i // EXPRESSIONS)}
            for i in range(OBJECTS * EXPRESSIONS)
        }
        meta[name] = {"expressions": expressions, "frames": names}
    (folder / "meta_expressions.json").write_text(json.dumps({"videos": meta}))
    return folder


def predict(dataset: ReferringDataset, folder: Path) -> None:
    """Write predictions: the true mask of every expression, shifted."""
    for video in dataset.videos:
        for number, expression in enumerate(video.expressions):
            (folder / video.name / expression.id).mkdir(parents=True)
            for frame in video.frames:
                truth = dataset.load_mask(video.name, frame, expression)
                if truth is None:
                    raise SystemExit(f"{dataset.name}: video {video.name} has no annotation of frame {frame}")
                mask = np.roll(truth, SHIFTS[number % len(SHIFTS)], axis=(0, 1))
                Image.fromarray(mask.astype(np.uint8) * 255).save(folder / video.name / expression.id / f"{frame}.png")


if __name__ == "__main__":
    sys.exit(main())
