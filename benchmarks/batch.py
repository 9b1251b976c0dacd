"""What `vlp-rvos batch` costs on top of the model: of its driver, of an item, and against `segment`.

    python benchmarks/batch.py --rows 10000                    # the driver, with a stub in place of the model
    python benchmarks/batch.py --rows 0 --video dog.mp4 --copies 8 --size 256

With a stub, workers do nothing but answer, so all time is Ray's and the driver's. With videos, one worker and two take
turns with `Segmenter.segment` in this process, which is loaded already, as is the model of a worker when its first item
is timed: loading is left out on both sides.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from benchmark_options import benchmark_parser, parse_options, write_numbers

from vlp_rvos.batch.batch_report import Outcome
from vlp_rvos.batch.batch_settings import BatchSettings
from vlp_rvos.batch.item_runner import ItemRunner
from vlp_rvos.batch.ray_engine import ClusterOptions, RunItem, RunnerFactory, outcomes, ray_session
from vlp_rvos.batch.storage import Storage
from vlp_rvos.batch.work_item import WantedExpression, WorkItem
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.segmenter import Segmenter

WORDS = "the dog"


def make_stub() -> RunItem:
    """A runner that answers at once."""
    return lambda item: Outcome(key=item.key, status="done", frames=1, parts=1)


def items(count: int, location: str = "/videos/{}.mp4") -> list[WorkItem]:
    expressions = (WantedExpression("0", WORDS),)
    return [WorkItem(f"{i}.mp4", location.format(i), expressions) for i in range(count)]


def driver_cost(count: int, workers: int) -> dict[str, Any]:
    """Seconds for items that take no time: until the first outcome, and from there to the last one."""
    options = ClusterOptions(workers=workers)
    began = time.perf_counter()
    with ray_session(options):
        started = time.perf_counter()
        times = [time.perf_counter() for _ in outcomes(items(count), make_stub, options)]
    assert len(times) == count
    return {
        "items": count,
        "workers": workers,
        "ray_start_seconds": started - began,
        "first_outcome_seconds": times[0] - started,
        "milliseconds_an_item": 1000 * (times[-1] - times[0]) / max(1, count - 1),
        "driver_peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def item_cost(
    video: Path, copies: Sequence[Path], settings: BatchSettings, folder: Path, rounds: int
) -> dict[str, Any]:
    """Time of an `ItemRunner` against `segment`, in one process by turns."""
    segmenter = Segmenter.from_pretrained(settings.model, settings.options)
    seconds: dict[str, list[float]] = {"segment": [], "item": []}
    frames = 0
    for number in range(rounds):
        began = time.perf_counter()
        frames = sum(1 for _ in segmenter.segment(video, WORDS, images=False, ahead=1))
        seconds["segment"].append(time.perf_counter() - began)
        output = Storage(str(folder / f"out{number}"))
        runner = ItemRunner(segmenter, output, settings, run="benchmark", retries=0, scratch=folder)
        began = time.perf_counter()
        assert runner(items(1, str(video))[0]).frames == frames
        seconds["item"].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "frames": frames,
        "median_seconds": medians,
        "item_over_segment": medians["item"] / medians["segment"],
        "milliseconds_more_a_video": 1000 * (medians["item"] - medians["segment"]),
        "workers": [batch_speed(copies, settings, folder, workers) for workers in (1, 2)],
    }


def batch_speed(copies: Sequence[Path], settings: BatchSettings, folder: Path, workers: int) -> dict[str, Any]:
    """Frames a second of a batch, from the first outcome on: until then models are loaded."""
    output = str(folder / f"batch{workers}")
    options = ClusterOptions(workers=workers)
    todo = [item for copy in copies for item in items(1, str(copy))]
    with ray_session(options):
        found = []
        for outcome in outcomes(todo, RunnerFactory(output, settings, "benchmark", 0, 1), options):
            found.append((time.perf_counter(), outcome.frames))
    seconds = found[-1][0] - found[0][0]
    return {"workers": workers, "frames_per_second": sum(frames for _, frames in found[1:]) / seconds}


def main() -> None:
    parser = benchmark_parser(__doc__, rounds=3, threads=1)
    parser.add_argument("--rows", type=int, default=10_000, help="items of the stub")
    parser.add_argument("--workers", type=int, default=2, help="workers of the stub")
    parser.add_argument("--video", type=Path, help="compare with segment on copies of this video")
    parser.add_argument("--copies", type=int, default=8, help="copies of the video")
    parser.add_argument("--size", type=int, default=256, help="network input size in pixels")
    arguments = parse_options(parser)
    numbers: dict[str, Any] = {"threads": torch.get_num_threads()}
    if arguments.rows:
        numbers["driver"] = driver_cost(arguments.rows, arguments.workers)
    if arguments.video:
        settings = BatchSettings(options=InferenceOptions(size=arguments.size))
        with tempfile.TemporaryDirectory() as name:
            copies = [Path(name) / f"{i}{arguments.video.suffix}" for i in range(arguments.copies)]
            for copy in copies:
                shutil.copyfile(arguments.video, copy)
            numbers["videos"] = item_cost(copies[0], copies, settings, Path(name), arguments.rounds)
    write_numbers(numbers, arguments.json)


if __name__ == "__main__":
    main()
