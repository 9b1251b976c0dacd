"""Peak arithmetic and memory bandwidth of this machine, from square matrix products and from copying an array.

    python benchmarks/roofline.py --threads 2 --json roofline.json

The tables in `docs/performance.md` set the model's counted costs against these two numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from benchmark_options import benchmark_parser, parse_options, write_numbers

from vlp_rvos.profiling.measurement_report import describe_machine
from vlp_rvos.profiling.timing import time_alternately


def measure(side: int, megabytes: int, rounds: int) -> dict[str, Any]:
    """FLOP/s of products of `side` x `side` matrices, and bytes/s of copying an array that no cache holds."""
    forms: dict[str, Callable[[], object]] = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.rand(side, side).to(dtype), torch.rand(side, side).to(dtype)
        forms[str(dtype).removeprefix("torch.")] = functools.partial(torch.mm, a, b)
    source = torch.rand(megabytes * 2**20 // 4)
    forms["copy"] = functools.partial(torch.empty_like(source).copy_, source)
    seconds = time_alternately(forms, rounds)
    moved = 2 * source.numel() * source.element_size()
    return {
        **describe_machine(),
        "flops_per_second": {name: 2 * side**3 / seconds[name] for name in forms if name != "copy"},
        "bytes_per_second": moved / seconds["copy"],
    }


def main() -> None:
    parser = benchmark_parser(__doc__, rounds=9, threads=2)
    parser.add_argument("--side", type=int, default=2048, help="side of the matrices")
    parser.add_argument("--megabytes", type=int, default=512, help="size of the copied array")
    arguments = parse_options(parser)
    found = measure(arguments.side, arguments.megabytes, arguments.rounds)
    write_numbers(found, arguments.json)


if __name__ == "__main__":
    main()
