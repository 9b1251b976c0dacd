"""Is reading the bottleneck of a training? Samples a second from one loading process, against those the model takes.

Both are measured in one run on the data of a training configuration: each of its sources alone and their mixture, at
the sizes at which the configuration's own model is trained, stage by stage, and at the input size of other models. The
videos of a "videos" source are also read as a published benchmark, through links in the layout of Ref-YouTube-VOS.
Backbones have random weights, which take the same time, so no weights are needed.

    python benchmarks/loader_speed.py mini --set data.root=DATA --model clip-b16 --json loader.json
    python benchmarks/loader_speed.py ref-youtube-vos --set data.root=DATA --device cuda

Prints one JSON object. `ratio` is the rate of one loading process over that of the model: reading is the bottleneck
where the configuration's `workers` together stay below 1. The exit code is 1 where that is so for a mixture.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from benchmark_options import benchmark_parser, parse_options, write_numbers
from torch import Tensor

from vlp_rvos.data.mixture_config import MixtureConfig, Source
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.models.backbones import random_backbone
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.batches import Batch, load_batches, mixture_at_stage
from vlp_rvos.training.losses import clip_losses
from vlp_rvos.training.optimization import make_optimizer
from vlp_rvos.training.train_config import TrainConfig, load_config


class Setting(NamedTuple):
    """A model and the data of one stage of its training."""

    model: str
    stage: int
    data: MixtureConfig
    batch: int


def settings(config: TrainConfig, models: list[str]) -> Iterator[Setting]:
    """The stages of the configuration's own model, then the other models on the same data at their input size."""
    own = config.model.preset
    data = config.data.with_input_size(model_config(config, own).input_size)
    for i, stage in enumerate(config.stages or (None,)):
        yield Setting(own, i, mixture_at_stage(data, stage), (stage and stage.batch) or config.batch)
    for name in models:
        if name != own:
            shape = ModelConfig.preset(name)
            sized = replace(
                config.data,
                height=shape.input_size,
                width=shape.input_size,
                keep_aspect=shape.keep_aspect,
                clip_length=shape.clip_length,
                clips=2,
                portrait=0.0,
            )
            yield Setting(name, 0, sized, config.batch)


def model_config(config: TrainConfig, name: str) -> ModelConfig:
    """The config of a model: with the configuration's overrides for its own model, without for another one."""
    preset = ModelConfig.preset(name)
    return preset.replace(**config.model.overrides) if name == config.model.preset else preset


def sources_of(data: MixtureConfig, links: Path) -> dict[str, MixtureConfig]:
    """The mixture, each of its sources alone, and "videos" sources read as a benchmark."""
    found = {"mixture": data}
    for source in data.sources:
        alone = replace(data, sources=(source,))
        if source.kind == "videos":
            names = {video.name for video in YTVOSDataset(Path(data.root) / source.folder).videos}
            alone = replace(alone, hold_out=tuple(name for name in data.hold_out if name in names))
            linked = as_benchmark(Path(data.root) / source.folder, links / source.folder)
            benchmark = Source("benchmark", str(linked), name="ref-youtube-vos")
            found[f"benchmark {source.folder}"] = replace(alone, sources=(benchmark,), hold_out=(), hold_out_share=0.0)
        else:
            alone = replace(alone, hold_out=())
        name = source.folder if source.name is None else source.name
        found[f"{source.kind} {name}"] = alone
    return found


def as_benchmark(folder: Path, links: Path) -> Path:
    """A folder of videos and expressions as Ref-YouTube-VOS has its training split."""
    reader = YTVOSDataset(folder)
    train, texts = links / "train", links / "meta_expressions" / "train"
    if not train.exists():
        train.mkdir(parents=True)
        texts.mkdir(parents=True)
        for part in ("JPEGImages", "Annotations"):
            (train / part).symlink_to((reader.folder / part).resolve(), target_is_directory=True)
        objects = {
            video.name: {"objects": {str(x.object_id): {} for x in video.expressions if x.object_id is not None}}
            for video in reader.videos
        }
        (train / "meta.json").write_text(json.dumps({"videos": objects}), encoding="utf-8")
        (texts / "meta_expressions.json").symlink_to(reader.meta_file.resolve())
    return links.resolve()


def loading_rate(data: MixtureConfig, samples: int) -> float:
    """Samples per second that one process reads and prepares."""
    loader = load_batches(data, batch=1, position=0, workers=1)
    # The first samples wait for the process to start, and the next ones were read ahead meanwhile.
    for _ in range(4):
        next(loader)
    began = time.perf_counter()
    for _ in range(samples):
        next(loader)
    return samples / (time.perf_counter() - began)


def step_seconds(model: VLPRVOS, config: TrainConfig, loader: Iterator[Batch], steps: int) -> float:
    """Median time of a training step whose batch is ready, in seconds."""
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


def measure(setting: Setting, config: TrainConfig, arguments: argparse.Namespace, links: Path) -> dict[str, Any]:
    """One entry of "settings"."""
    name, data = setting.model, setting.data
    model = VLPRVOS(random_backbone(name), model_config(config, name)).to(arguments.device).train()
    seconds = step_seconds(model, config, load_batches(data, batch=setting.batch, position=0), arguments.steps)
    needed = setting.batch / seconds
    sources = {}
    for source, part in sources_of(data, links).items():
        rate = loading_rate(part, arguments.samples)
        sources[source] = {
            "samples_per_second": rate,
            "ratio": rate / needed,
            "workers_needed": math.ceil(needed / rate),
        }
        print(f"{name}, stage {setting.stage}: {source} {rate / needed:.2f}", file=sys.stderr, flush=True)
    return {
        "model": name,
        "stage": setting.stage,
        "clips": data.clips,
        "clip_length": data.clip_length,
        "size": list(data.size),
        "expressions": data.expressions,
        "batch": setting.batch,
        "step_seconds": seconds,
        "model_samples_per_second": needed,
        "sources": sources,
    }


def main() -> int:
    """Run the benchmark."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("config", type=Path, help="a training configuration: YAML file or shipped name")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--model", action="append", default=[], dest="models", help="one more model; repeatable")
    parser.add_argument("--samples", type=int, default=50, help="samples to read from each source")
    parser.add_argument("--steps", type=int, default=5, help="training steps to time; one more warms up")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="threads of the model; default: PyTorch's")
    arguments = parse_options(parser)

    config = load_config(arguments.config, arguments.overrides)
    torch.manual_seed(config.seed)
    with tempfile.TemporaryDirectory() as links:
        measured = [measure(x, config, arguments, Path(links)) for x in settings(config, arguments.models)]
    needed = max(entry["sources"]["mixture"]["workers_needed"] for entry in measured)
    result = {
        "configuration": config.name,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average": os.getloadavg()[0],
        "device": arguments.device,
        "threads": torch.get_num_threads(),
        "precision": config.precision,
        "settings": measured,
        "smallest_ratio": min(source["ratio"] for entry in measured for source in entry["sources"].values()),
        "workers_needed": needed,
        "workers": config.workers,
    }
    write_numbers(result, arguments.json)
    return int(needed > config.workers)


if __name__ == "__main__":
    sys.exit(main())
