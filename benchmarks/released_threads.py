"""What the idle OpenMP threads of another Python thread cost a model, with and without `release_threads`.

    python benchmarks/released_threads.py --threads 2 --json released-threads.json

In turns, the main thread computes something, by which it gets OpenMP threads, and a new thread then runs clips.
"""

from __future__ import annotations

import threading

import torch
from benchmark_options import benchmark_parser, parse_options

from vlp_rvos.models.backbones import random_backbone
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.profiling.overhead import EXPRESSIONS
from vlp_rvos.profiling.timing import time_alternately
from vlp_rvos.runtimes.threads import release_threads


def main() -> None:
    parser = benchmark_parser(__doc__, rounds=7, threads=2, plot=True)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="network input; default: the preset's")
    parser.add_argument("--clips", type=int, default=4, help="clips of a turn")
    arguments = parse_options(parser)
    torch.manual_seed(0)
    config = ModelConfig.preset(arguments.model)
    model = VLPRVOS(random_backbone(arguments.model), config).eval()
    size = arguments.size or config.frame_size(9, 16, model.backbone.size_multiple)
    clip = torch.rand(1, config.clip_length, 3, *size)
    with torch.inference_mode():
        text = model.encode_text(model.backbone.tokenize(EXPRESSIONS[:1]))

    def run() -> None:
        with torch.inference_mode():
            for _ in range(arguments.clips):
                model(clip, text)

    def turn(release: bool) -> None:
        torch.ones(1 << 20).exp()
        if release:
            assert release_threads(), "only on Linux, where PyTorch runs on GNU OpenMP"
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    seconds = time_alternately({"kept": lambda: turn(False), "released": lambda: turn(True)}, arguments.rounds)
    ratio = seconds["released"] / seconds["kept"]
    rows = [Measurement(f"{arguments.model}: a clip, idle threads of another released / kept", ratio)]
    details = {"clips": arguments.clips, "rounds": arguments.rounds, "median_seconds": seconds}
    write_report(rows, details, arguments.json, arguments.plot)


if __name__ == "__main__":
    main()
