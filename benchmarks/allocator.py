"""What giving large blocks back to the system costs: the same model in processes with and without `keep_freed_memory`.

    python benchmarks/allocator.py --model mini --rounds 5 --json allocator.json

The processes take turns; each measures its own median, and the ratio is that of the medians over all turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from vlp_rvos.allocator import keep_freed_memory


def measure(model_name: str, keep: bool, clips: int) -> dict[str, float]:
    """In this process: median seconds of a clip, and the peak of memory in MiB."""
    if keep:
        assert keep_freed_memory(), "not possible here, or decided by MALLOC_ variables"
    import resource

    import torch

    from vlp_rvos.backbones import random_backbone
    from vlp_rvos.benchmarking.overhead import EXPRESSIONS, alternate
    from vlp_rvos.config import ModelConfig
    from vlp_rvos.model import VLPRVOS

    torch.manual_seed(0)
    config = ModelConfig.preset(model_name)
    model = VLPRVOS(random_backbone(model_name), config).eval()
    size = config.frame_size(9, 16, model.backbone.size_multiple)
    clip = torch.rand(1, config.clip_length, 3, *size)
    with torch.inference_mode():
        text = model.encode_text(model.backbone.tokenize(EXPRESSIONS[:1]))
        seconds = alternate({"clip": lambda: model(clip, text)}, clips)["clip"]
    return {"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each form")
    parser.add_argument("--clips", type=int, default=5, help="timed clips of a turn")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", choices=("keep", "give back"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(measure(arguments.model, arguments.worker == "keep", arguments.clips)))
        return
    turns: dict[str, list[dict[str, float]]] = {"keep": [], "give back": []}
    for _ in range(arguments.rounds):
        for form, found in turns.items():
            command = [sys.executable, __file__, "--model", arguments.model, "--clips", str(arguments.clips)]
            output = subprocess.run([*command, "--worker", form], check=True, capture_output=True, text=True).stdout
            found.append(json.loads(output))
    medians = {
        form: {key: statistics.median(turn[key] for turn in found) for key in found[0]} for form, found in turns.items()
    }
    ratios = {key: medians["keep"][key] / medians["give back"][key] for key in medians["keep"]}
    for form, values in medians.items():
        print(f"{form:10s} {values['seconds']:.3f} s a clip, peak {values['peak']:.0f} MiB")
    print(f"keep / give back: time {ratios['seconds']:.2f}, peak memory {ratios['peak']:.2f}")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"model": arguments.model, "medians": medians, "ratios": ratios}, indent=1)
        )


if __name__ == "__main__":
    main()
