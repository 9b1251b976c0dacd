"""Connected components of masks: our numbering against `scipy.ndimage.label`, and what both cost beside a clip.

    python benchmarks/connected_components.py --video examples/cat.mp4 --json connected-components.json

The masks are those that a model predicts for the first clips of a video; the forms alternate in one run. Needs scipy
(the extra `benchmarks`).
"""

from __future__ import annotations

import itertools
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch.nn.functional as F
from benchmark_options import benchmark_parser, parse_options
from scipy import ndimage
from torch import Tensor

from vlp_rvos import Segmenter
from vlp_rvos.inference import stream
from vlp_rvos.inference.components import CELL, label_components, remove_small_components
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.profiling.timing import time_alternately

#: Cells that touch at a corner are connected; masks of different frames are not.
NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])


def main() -> None:
    parser = benchmark_parser(__doc__, rounds=15, threads=2, plot=True)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--video", type=Path, default=Path(__file__).parents[1] / "examples/cat.mp4")
    parser.add_argument("--expression", default="the cat")
    parser.add_argument("--clips", type=int, default=4)
    arguments = parse_options(parser)
    segmenter = Segmenter.from_pretrained(arguments.model, device="cpu", runtime="torch")
    length = segmenter.config.clip_length
    with closing(open_video(arguments.video).read()) as frames:
        images = [frame.image for frame in itertools.islice(frames, arguments.clips * length)]
    inputs: list[tuple[Tensor, float, float]] = []

    def recorded(logits: Tensor, logit_threshold: float, min_share: float) -> Tensor:
        inputs.append((logits.clone(), logit_threshold, min_share))
        return remove_small_components(logits, logit_threshold, min_share)

    running = segmenter.start(arguments.expression)
    with patch.object(stream, "remove_small_components", recorded):
        running.step(images)
    grids = [
        (F.avg_pool2d(logits[:, None], CELL, ceil_mode=True)[:, 0] > threshold).numpy()
        for logits, threshold, _ in inputs
    ]
    for grid in grids:
        ours, (theirs, count) = label_components(grid), ndimage.label(grid, NEIGHBOURS)
        pairs = np.unique(np.stack([ours.ravel(), theirs.ravel()]), axis=1)
        assert pairs.shape[1] == len(np.unique(ours)) == count + (not grid.all()), "the components differ"

    seconds = time_alternately(
        {
            "ours": lambda: [label_components(grid) for grid in grids],
            "scipy": lambda: [ndimage.label(grid, NEIGHBOURS) for grid in grids],
            "whole": lambda: [remove_small_components(*given) for given in inputs],
            "clips": lambda: running.step(images),
        },
        arguments.rounds,
    )
    seconds = {name: value / len(inputs) for name, value in seconds.items()}
    rows = [
        Measurement("numbering connected components, ours / scipy.ndimage.label", seconds["ours"] / seconds["scipy"]),
        Measurement(
            f"{arguments.model}: numbering connected components / a clip", seconds["ours"] / seconds["clips"], 0.02
        ),
        Measurement(f"{arguments.model}: removing small components / a clip", seconds["whole"] / seconds["clips"]),
    ]
    details = {
        "video": arguments.video.name,
        "grid": grids[0].shape,
        "rounds": arguments.rounds,
        "median_seconds_per_clip": seconds,
    }
    write_report(rows, details, arguments.json, arguments.plot)


if __name__ == "__main__":
    main()
