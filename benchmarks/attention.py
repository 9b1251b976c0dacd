"""Attention on a CPU: torch's own kernel against the written-out map, forward and with the backward pass.

    python benchmarks/attention.py --threads 2 --json attention.json

For the shapes of `mini`'s and CLIP's attentions the two forms alternate in one run; a row gives the median ratio
`scaled_dot_product_attention / written out`: above 1, writing it out is faster. `vlp_rvos.models.backbones.attention`
follows from it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

SHAPES = {
    # name: (batch, heads, queries, keys, channels)
    "mini, frame tokens, 192x320": (24, 4, 252, 252, 64),
    "mini, words": (24, 4, 252, 16, 64),
    "mini, reasoning, frame heads": (24, 3, 240, 240, 32),
    "mini, reasoning, cubes": (4, 45, 48, 48, 32),
    "clip-b16, frame tokens, 352x352": (6, 12, 515, 515, 64),
}


def written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(-1) @ v


def seconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def measure(shape: tuple[int, int, int, int, int], dtype: torch.dtype, rounds: int) -> dict[str, float]:
    batch, heads, queries, keys, channels = shape
    q = torch.randn(batch, heads, queries, channels, dtype=dtype, requires_grad=True)
    k, v = (torch.randn(batch, heads, keys, channels, dtype=dtype, requires_grad=True) for _ in range(2))
    gradient = torch.randn_like(q)
    ratios: dict[str, list[float]] = {"forward": [], "forward and backward": []}
    for index in range(rounds + 1):
        times = [
            (seconds(lambda f=form: f(q, k, v)), seconds(lambda f=form: f(q, k, v).backward(gradient)))  # type: ignore[misc]
            for form in (F.scaled_dot_product_attention, written_out)
        ]
        if index:
            for name, own, other in zip(ratios, *times, strict=True):
                ratios[name].append(own / other)
    return {name: round(statistics.median(values), 2) for name, values in ratios.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = {
        f"{name}, {str(dtype).removeprefix('torch.')}": measure(shape, dtype, arguments.rounds)
        for name, shape in SHAPES.items()
        for dtype in (torch.bfloat16, torch.float32)
    }
    for name, row in results.items():
        print(f"{name:50s}", *(f"{kind} {ratio:5.2f}" for kind, ratio in row.items()), sep="   ")
    if arguments.json:
        arguments.json.write_text(json.dumps({"threads": arguments.threads, "ratios": results}, indent=1), "utf-8")


if __name__ == "__main__":
    main()
