"""Page faults and processor time of a model's clips, with and without `keep_freed_memory`.

    python benchmarks/page_faults.py --threads 1 --json page-faults.json

The settings of an allocator cannot be taken back, so each form has processes of its own, in turns. The processor time
of a process does not depend much on what else the machine does.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys

import torch
from benchmark_options import benchmark_parser, parse_options

from vlp_rvos.models.backbones import random_backbone
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.profiling.overhead import EXPRESSIONS
from vlp_rvos.runtimes.allocator import keep_freed_memory


def run_clips(name: str, clips: int) -> dict[str, float]:
    """Page faults and processor seconds of a number of clips, after one that is not counted."""
    torch.manual_seed(0)
    config = ModelConfig.preset(name)
    model = VLPRVOS(random_backbone(name), config).eval()
    frames = torch.rand(1, config.clip_length, 3, *config.frame_size(9, 16, model.backbone.size_multiple))
    with torch.inference_mode():
        text = model.encode_text(model.backbone.tokenize(EXPRESSIONS[:1]))
        model(frames, text)
        before = resource.getrusage(resource.RUSAGE_SELF)
        for _ in range(clips):
            model(frames, text)
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"faults": float(after.ru_minflt - before.ru_minflt), "seconds": seconds}


def main() -> None:
    parser = benchmark_parser(__doc__, rounds=3, threads=1)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--clips", type=int, default=4, help="clips of a process")
    parser.add_argument("--form", choices=("default", "kept"), help="run the clips in this process and print numbers")
    arguments = parse_options(parser)
    if arguments.form is not None:
        if arguments.form == "kept":
            assert keep_freed_memory(), "only where the C library is glibc"
        print(json.dumps(run_clips(arguments.model, arguments.clips)))
        return
    command = [sys.executable, __file__, "--model", arguments.model, "--threads", str(arguments.threads)]
    command += ["--clips", str(arguments.clips)]
    found: dict[str, list[dict[str, float]]] = {"default": [], "kept": []}
    for _ in range(arguments.rounds):
        for form, numbers in found.items():
            done = subprocess.run([*command, "--form", form], capture_output=True, text=True, check=True)
            numbers.append(json.loads(done.stdout))
    medians = {
        form: {key: statistics.median(one[key] for one in numbers) for key in numbers[0]}
        for form, numbers in found.items()
    }
    rows = []
    for key, what in (("faults", "page faults"), ("seconds", "processor time")):
        ratio = medians["kept"][key] / medians["default"][key]
        rows.append(Measurement(f"{arguments.model}: {what} of a clip, kept / default", ratio))
    write_report(rows, {"clips": arguments.clips, "rounds": arguments.rounds, "medians": medians}, arguments.json, None)


if __name__ == "__main__":
    main()
