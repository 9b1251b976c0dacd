"""Peak memory of inference above the weights, on one clip after another, in a process of its own. Linux and macOS.

    python benchmarks/peak_memory.py --model clip-b16 --json memory.json --plot memory.png

The weights are random. `above_peak` is how much the peak grew since the model was loaded, `above_resident` what the
peak was above the memory that the loaded model held: loading itself may need more than that for a moment, and then only
the second, which is what the row reports, shows all of it. Without /proc the two are the same.
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

GIB = 2**30


def peak() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def resident() -> int:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else peak()


def child(model_name: str, size: tuple[int, int], frames: int, clips: int, threads: int) -> dict[str, Any]:
    import torch

    from vlp_rvos.models.backbones import random_backbone
    from vlp_rvos.models.model_config import ModelConfig
    from vlp_rvos.models.vlp_rvos import VLPRVOS
    from vlp_rvos.runtimes.torch_runtime import TorchRuntime

    torch.set_num_threads(threads)
    runtime = TorchRuntime(VLPRVOS(random_backbone(model_name), ModelConfig.preset(model_name)), precision="fp32")
    loaded_peak, loaded = peak(), resident()
    text, state = runtime.encode_text(["the dog that jumps over the fence"]), None
    with torch.inference_mode():
        for _ in range(clips):
            state = runtime.step(torch.rand(1, frames, 3, *size), text, state).state
    return {"loaded_peak": loaded_peak, "loaded_resident": loaded, "peak": peak()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="clip-b16")
    parser.add_argument("--size", type=int, nargs=2, default=(352, 352), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    setting = (arguments.model, tuple(arguments.size), arguments.frames, arguments.clips, arguments.threads)
    if arguments.child:
        print(json.dumps(child(*setting)))
        return
    from vlp_rvos.profiling.measurement_report import Measurement, write_report

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
