"""Attention on a CPU: PyTorch's own kernel against the written-out map, forward and with the backward pass.

    python benchmarks/attention_kernels.py --threads 2 --json attention.json

For the shapes of attention in `mini` and CLIP, the two forms alternate in one run. A row is the ratio of their median
times, `scaled_dot_product_attention / written out`: above 1, writing the map out is faster.
`vlp_rvos.models.backbones.attention` follows from it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from benchmark_options import benchmark_parser, parse_options
from torch import Tensor

from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.profiling.timing import time_alternately

#: name -> (batch, heads, queries, keys, channels)
SHAPES = {
    "mini, frame tokens, 192x320": (24, 4, 252, 252, 64),
    "mini, words": (24, 4, 252, 16, 64),
    "mini, reasoning, frame heads": (24, 3, 240, 240, 32),
    "mini, reasoning, cubes": (4, 45, 48, 48, 32),
    "clip-b16, frame tokens, 352x352": (6, 12, 515, 515, 64),
}


def written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(-1) @ v


FORMS: dict[str, Callable[..., Tensor]] = {"kernel": F.scaled_dot_product_attention, "written out": written_out}


def measure(shape: tuple[int, int, int, int, int], dtype: torch.dtype, rounds: int) -> dict[str, float]:
    """Ratio of the two forms without and with the backward pass."""
    batch, heads, queries, keys, channels = shape
    q = torch.randn(batch, heads, queries, channels, dtype=dtype, requires_grad=True)
    k, v = (torch.randn(batch, heads, keys, channels, dtype=dtype, requires_grad=True) for _ in range(2))
    gradient = torch.randn_like(q)
    forward = time_alternately({name: partial(form, q, k, v) for name, form in FORMS.items()}, rounds)
    both = {name: lambda form=form: form(q, k, v).backward(gradient) for name, form in FORMS.items()}
    backward = time_alternately(both, rounds)
    return {
        "forward": forward["kernel"] / forward["written out"],
        "forward and backward": backward["kernel"] / backward["written out"],
    }


def main() -> None:
    arguments = parse_options(benchmark_parser(__doc__, rounds=9, threads=2, plot=True))
    rows = [
        Measurement(f"{name}, {str(dtype).removeprefix('torch.')}, {what}: kernel / written out", ratio)
        for name, shape in SHAPES.items()
        for dtype in (torch.bfloat16, torch.float32)
        for what, ratio in measure(shape, dtype, arguments.rounds).items()
    ]
    write_report(rows, {"rounds": arguments.rounds}, arguments.json, arguments.plot)


if __name__ == "__main__":
    main()
