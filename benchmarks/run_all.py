"""Run every benchmark of speed and memory, one after the other, and collect one table.

    python benchmarks/run_all.py -o benchmark-results --threads 2
    python benchmarks/run_all.py -o benchmark-results --only startup memory     # some of them
    python benchmarks/run_all.py -o try --tiny                                  # do they run? Numbers mean nothing

Each benchmark writes NAME.json into the folder. The results in the folder, also those of earlier runs, are collected in
table.md, table.json and table.png. `python tools/report.py add measurements .../table.json` puts them into the
documents.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vlp_rvos.profiling.measurement_report import Measurement, measurement_table, plot_measurements

HERE = Path(__file__).parent
#: targets of `vlp-rvos bench overhead`
OVERHEAD = {
    "clip-b16": {"model_over_tower": 1.25, "bf16_over_fp32": 0.55},
    "mini": {"model_over_tower": 1.7},
}
BOTH = {"training_step_over_forward": 2.6, "second_expression_over_first": 0.75}


def commands(threads: int, tiny: bool) -> dict[str, list[str]]:
    """Name -> command line; "{json}" stands for the file of the result."""
    threaded = ["--threads", str(threads)]
    few = ["--rounds", "1"] if tiny else []
    small = ["--width", "64", "--height", "48"] if tiny else []
    clip = [*small, "--frames", "7", *few] if tiny else []
    clips = ["--size", "32", "32", "--clips", "1", *few] if tiny else []
    memory = ["--model", "mini", "--size", "32", "32", "--frames", "1", "--clips", "1"] if tiny else []
    length = [*small, "--seconds", "0.3", "0.6", "--fps", "10"] if tiny else ["--every", "1", "5"]
    runtimes = [] if tiny or find_spec("openvino") is None else ["--runtime", "openvino"]
    script = {
        "startup": ["startup.py", *few],
        "frame-work": ["frame_work.py", *threaded, *small, *few],
        "page-faults": ["page_faults.py", "--threads", "1", *(["--clips", "1", *few] if tiny else [])],
        "released-threads": ["released_threads.py", *threaded, *clips],
        "memory": ["peak_memory.py", *threaded, *memory],
        "length": ["memory_length.py", *length],
        "segment-mini": ["segment_command.py", *threaded, *clip, *runtimes],
        "segment-clip-b16": ["segment_command.py", *threaded, *(clip or ["--frames", "48", "--model", "clip-b16"])],
    }
    found = {name: [sys.executable, str(HERE / run[0]), *run[1:], "--json", "{json}"] for name, run in script.items()}
    for model in ("mini",) if tiny else ("mini", "clip-b16"):
        options = [*threaded, *(["--rounds", "1", "--no-training"] if tiny else [])]
        bench = ["-m", "vlp_rvos", "bench", "overhead", "--model", model, "--json", "{json}"]
        found[f"overhead-{model}"] = [sys.executable, *bench, *options]
    return found


def rows_of(name: str, result: dict[str, Any]) -> list[Measurement]:
    """The rows in the result of a benchmark."""
    if "rows" in result:
        return [Measurement(**row) for row in result["rows"]]
    model = name.removeprefix("overhead-")
    limits = OVERHEAD.get(model, {}) | BOTH
    return [
        Measurement(f"{model}: {key.replace('_', ' ')}", result[key], limit)
        for key, limit in limits.items()
        if result.get(key) is not None
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmark-results"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", metavar="NAME", help=", ".join(commands(2, False)))
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    todo = commands(arguments.threads, arguments.tiny)
    if unknown := set(arguments.only or ()) - set(todo):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(todo)}")
    failed = []
    for name in arguments.only or todo:
        file, began = arguments.output / f"{name}.json", time.perf_counter()
        run = [str(file) if part == "{json}" else part for part in todo[name]]
        if subprocess.run(run, stdout=subprocess.DEVNULL, check=False).returncode:
            failed.append(name)
        print(f"{name}: {time.perf_counter() - began:.0f} s{' FAILED' if name in failed else ''}", flush=True)
    rows = [
        row
        for name in todo
        if (file := arguments.output / f"{name}.json").exists() and name not in failed
        for row in rows_of(name, json.loads(file.read_text()))
    ]
    (arguments.output / "table.md").write_text(measurement_table(rows) + "\n")
    (arguments.output / "table.json").write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n")
    plot_measurements(arguments.output / "table.png", rows)
    print(measurement_table(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
