"""How far the masks of a video depend on the number of PyTorch's threads.

    python benchmarks/thread_agreement.py examples/cat.mp4 "the cat" "the car" --json thread-agreement.json

Threads share the terms of a sum, and each addition rounds. So another number of threads changes the last digits of
probabilities, and a pixel whose probability lies that close to the threshold may change sides. All counts are compared
with the first one. No mask is left empty for a low presence, so that every pixel is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from unittest.mock import patch

import numpy as np
import torch
from benchmark_options import benchmark_parser, parse_options
from torch import Tensor

from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.runtimes.runtime import ClipPrediction


def predict(
    segmenter: Segmenter, video: str, expressions: Sequence[str], threads: int
) -> tuple[Tensor, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Mask probabilities of all clips in one row (N,), and the masks (T, E, H, W), with a number of threads."""
    torch.set_num_threads(threads)
    probabilities: list[Tensor] = []
    step = segmenter.runtime.step

    def recorded(*arguments: object) -> ClipPrediction:
        prediction = step(*arguments)  # type: ignore[arg-type]
        probabilities.append(prediction.mask_logits.float().sigmoid().flatten())
        return prediction

    with patch.object(segmenter.runtime, "step", recorded):
        masks = np.stack([result.masks for result in segmenter.segment(video, expressions)])
    return torch.cat(probabilities), masks


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("video")
    parser.add_argument("expressions", nargs="+")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2], help="numbers of threads, the reference first")
    arguments = parse_options(parser)
    options = InferenceOptions(device="cpu", runtime="torch", presence_threshold=0.0)
    segmenter = Segmenter.from_pretrained(arguments.model, options)
    first, *others = arguments.counts
    probabilities, masks = predict(segmenter, arguments.video, arguments.expressions, first)
    rows = []
    for threads in others:
        found, other = predict(segmenter, arguments.video, arguments.expressions, threads)
        against = f"{threads} threads against {first}"
        rows += [
            Measurement(f"{against}: largest difference of a probability", float((found - probabilities).abs().max())),
            Measurement(f"{against}: share of mask pixels that differ", float((other != masks).mean())),
        ]
    write_report(rows, {"frames": len(masks), "pixels": masks.size}, arguments.json, None)


if __name__ == "__main__":
    main()
