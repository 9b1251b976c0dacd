"""PyTorch, ONNX Runtime and OpenVINO on the same clips: median seconds per clip, and ratios to PyTorch.

    python benchmarks/runtimes.py --model mini --threads 2 --json runtimes.json

The model is exported into a temporary folder; then the runtimes alternate in one process on the same frames, text and
state. Models that come without weights get random ones: they change no cost. A ratio below 1 is faster than PyTorch.
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from pathlib import Path
from typing import get_args

import torch

from vlp_rvos import checkpoint
from vlp_rvos.backbones import random_backbone
from vlp_rvos.benchmarking.overhead import EXPRESSIONS, alternate
from vlp_rvos.config import ModelConfig
from vlp_rvos.export.folder import ExportFormat
from vlp_rvos.export.runtimes import ExportedRuntime
from vlp_rvos.export.writer import export_model
from vlp_rvos.model import VLPRVOS
from vlp_rvos.runtime import Runtime, TorchRuntime


def load(name: str) -> VLPRVOS:
    if name in checkpoint.shipped_models() or Path(name).is_file():
        return checkpoint.load_model(name)
    torch.manual_seed(0)
    return VLPRVOS(random_backbone(name), ModelConfig.preset(name)).eval()


def measure(model: VLPRVOS, size: tuple[int, int] | None, expressions: int, rounds: int) -> dict[str, object]:
    config, side = model.config, model.backbone.size_multiple
    height, width = size or config.frame_size(9, 16, side)
    clip = torch.rand(1, config.clip_length, 3, height, width)
    words = [EXPRESSIONS[i % len(EXPRESSIONS)] for i in range(expressions)]
    with tempfile.TemporaryDirectory() as folder:
        runtimes: dict[str, Runtime] = {"torch": TorchRuntime(model, precision="fp32")}
        opening = {}
        for name in get_args(ExportFormat):
            export_model(model, Path(folder) / name, name)
            begun = time.perf_counter()
            runtimes[name] = ExportedRuntime(Path(folder) / name)
            opening[name] = time.perf_counter() - begun
        texts = {name: runtime.encode_text(words) for name, runtime in runtimes.items()}
        first = {name: runtime.step(clip, texts[name]) for name, runtime in runtimes.items()}
        text = alternate(
            {name: functools.partial(runtime.encode_text, words) for name, runtime in runtimes.items()}, rounds
        )
        clips = alternate(
            {
                name: functools.partial(runtime.step, clip, texts[name], first[name].state)
                for name, runtime in runtimes.items()
            },
            rounds,
        )
        expected = first["torch"].mask_logits.sigmoid()
    return {
        "frames": config.clip_length,
        "height": height,
        "width": width,
        "expressions": expressions,
        "seconds_per_clip": clips,
        "seconds_per_text": text,
        "seconds_to_open": opening,
        "clip_over_torch": {name: seconds / clips["torch"] for name, seconds in clips.items()},
        "largest_probability_difference": {
            name: (out.mask_logits.sigmoid() - expected).abs().max().item() for name, out in first.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini", help="name of a model, or a checkpoint file")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the network input")
    parser.add_argument("--expressions", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    setting = {"model": arguments.model, "threads": arguments.threads, "rounds": arguments.rounds}
    result = setting | measure(load(arguments.model), arguments.size, arguments.expressions, arguments.rounds)
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
