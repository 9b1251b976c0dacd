"""Peak memory of inference above the weights, clip after clip, in a process of its own. Linux and macOS.

    python benchmarks/peak_memory.py --model clip-b16 --json memory.json --plot memory.png

`above_peak` is the growth of the peak since the model was loaded, `above_resident` the peak above the memory that the
loaded model holds. Loading may need more memory than the loaded model for a moment, so only the second shows all of
what inference needs, and the row reports it. Without /proc the two are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from benchmark_options import benchmark_parser, build_model, parse_options

from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.runtimes.torch_runtime import TorchRuntime

GIB = 2**30


def peak() -> int:
    """Largest memory that this process has held, in bytes."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def resident() -> int:
    """Memory that this process holds, in bytes."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else peak()


def child(model_name: str, size: tuple[int, int], frames: int, clips: int) -> dict[str, Any]:
    """Run the clips in this process, and return its memory in bytes."""
    runtime = TorchRuntime(build_model(model_name), precision="fp32")
    loaded_peak, loaded = peak(), resident()
    text, state = runtime.encode_text(["the dog that jumps over the fence"]), None
    with torch.inference_mode():
        for _ in range(clips):
            state = runtime.step(torch.rand(1, frames, 3, *size), text, state).state
    return {"loaded_peak": loaded_peak, "loaded_resident": loaded, "peak": peak()}


def main() -> None:
    parser = benchmark_parser(__doc__, threads=2, plot=True)
    parser.add_argument("--model", default="clip-b16")
    parser.add_argument("--size", type=int, nargs=2, default=(352, 352), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parse_options(parser)
    setting = (arguments.model, tuple(arguments.size), arguments.frames, arguments.clips)
    if arguments.child:
        print(json.dumps(child(*setting)))
        return
    done = subprocess.run([sys.executable, *sys.argv, "--child"], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    found["above_peak"] = found["peak"] - found["loaded_peak"]
    found["above_resident"] = found["peak"] - found["loaded_resident"]
    size = "x".join(map(str, arguments.size))
    what = f"{arguments.model}: peak memory of inference above the weights, {size}, clips of {arguments.frames}"
    rows = [Measurement(what, found["above_resident"] / GIB, 0.6, "GiB")]
    write_report(rows, {"bytes": found, "clips": arguments.clips}, arguments.json, arguments.plot)


if __name__ == "__main__":
    main()
