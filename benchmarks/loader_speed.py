"""Is reading the bottleneck of a training? Samples a second of one loading process, against those of the model.

Both are measured in one run, on the data and at the sizes of a training configuration. The backbone has random weights,
which take the same time, so none need to be at hand. Prints one JSON object; exit code 1 where the configuration has
too few `workers` for its model on this machine.

    python benchmarks/loader_speed.py ref-youtube-vos --set data.root=DATA --device cuda --json loader.json
    python benchmarks/loader_speed.py mini --set data.root=DATA --samples 20 --steps 3
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from vlp_rvos.backbones import random_backbone
from vlp_rvos.config import ModelConfig
from vlp_rvos.model import VLPRVOS
from vlp_rvos.training.batches import Batch, batches
from vlp_rvos.training.config import TrainConfig, load_config
from vlp_rvos.training.losses import clip_losses
from vlp_rvos.training.optimization import make_optimizer


def loading_rate(config: TrainConfig, side: int, samples: int) -> float:
    """Samples a second that one process reads and prepares."""
    loader = batches(config.data.sized(side), batch=1, position=0, workers=1)
    # The first ones wait for the process to start, and the next for what it has read ahead meanwhile.
    for _ in range(4):
        next(loader)
    began = time.perf_counter()
    for _ in range(samples):
        next(loader)
    return samples / (time.perf_counter() - began)


def step_seconds(model: VLPRVOS, config: TrainConfig, loader: Iterator[Batch], steps: int) -> float:
    """Median time of a training step, its batch at hand."""
    device = next(model.trained_parameters()).device
    optimizer = make_optimizer(model, config)
    times = []
    for _ in range(steps + 1):
        batch = next(loader)
        began = time.perf_counter()
        text = model.backbone.tokenize(batch.expressions).to(device)
        history: Tensor | None = None
        for frames, masks, supervised in batch.clips(device):
            teaches = supervised is None or bool(supervised.any())
            with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16-mixed"):
                output = model(frames, text, history, batch.video_of.to(device))
            history = output.history.detach()
            if teaches:
                clip_losses(output, masks, config.loss, supervised).total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="a training configuration: YAML file or shipped name")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--samples", type=int, default=50, help="to read")
    parser.add_argument("--steps", type=int, default=5, help="to train; one more warms up")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    config = load_config(arguments.config, arguments.overrides)
    torch.manual_seed(config.seed)
    model_config = ModelConfig.preset(config.model.preset).replace(**config.model.overrides)
    side = model_config.input_size
    rate = loading_rate(config, side, arguments.samples)
    data = config.data.sized(side)
    model = VLPRVOS(random_backbone(config.model.preset), model_config).to(arguments.device).train()
    seconds = step_seconds(model, config, batches(data, batch=config.batch, position=0), arguments.steps)
    needed = config.batch / seconds
    result = {
        "configuration": config.name,
        "model": config.model.preset,
        "device": arguments.device,
        "frames": data.frames,
        "size": list(data.size),
        "batch": config.batch,
        "loader_samples_per_second": round(rate, 3),
        "step_seconds": round(seconds, 4),
        "model_samples_per_second": round(needed, 3),
        "workers_needed": math.ceil(needed / rate),
        "workers": config.workers,
    }
    print(json.dumps(result, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), "utf-8")
    return int(result["workers_needed"] > config.workers)


if __name__ == "__main__":
    sys.exit(main())
