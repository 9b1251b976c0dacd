"""One large linear layer with all kernels that PyTorch has for it, in one run: time relative to fp32, and the error.

    python benchmarks/int8_linear.py --json int8_linear.json

The default is the first MLP layer of ViT-B/16 for a clip of 6 frames, on one thread. `QuantizedLinear` is oneDNN's
product with a scale for every token; `linear_dynamic` needs PyTorch's quantised tensors, which PyTorch will remove.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F
from benchmark_options import benchmark_parser, parse_options, write_numbers
from torch import Tensor, nn

from vlp_rvos.profiling.timing import time_alternately
from vlp_rvos.runtimes.int8 import QuantizedLinear


def kernels(linear: nn.Linear, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Name of each form -> function that computes the output of the layer for `x`."""
    layer, half = QuantizedLinear(linear), x.bfloat16()
    half_weight, half_bias = linear.weight.bfloat16(), linear.bias.bfloat16()

    def layer_in_half() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return layer(half)

    forms: dict[str, Callable[[], Tensor]] = {
        "fp32": lambda: F.linear(x, linear.weight, linear.bias),
        "bf16": lambda: F.linear(half, half_weight, half_bias),
        "int8, scale per token (QuantizedLinear)": lambda: layer(x),
        "int8, scale per token, rest in bf16": layer_in_half,
    }
    scales = linear.weight.abs().amax(1) / 127
    integers = (linear.weight / scales[:, None]).round().to(torch.int8)

    def int_mm() -> Tensor:
        steps = x.abs().amax(1, keepdim=True) / 127
        product = torch._int_mm((x / steps).round_().to(torch.int8), integers.t())
        return torch.addcmul(linear.bias, product * steps, scales)

    forms["int8, scale per token (_int_mm)"] = int_mm
    if hasattr(torch, "_make_per_channel_quantized_tensor"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            zeros = torch.zeros(len(scales), dtype=torch.int64)
            weight = torch._make_per_channel_quantized_tensor(integers, scales.double(), zeros, 0)
        packed = torch.ops.quantized.linear_prepack(weight, linear.bias)
        forms["int8, one scale (linear_dynamic)"] = lambda: torch.ops.quantized.linear_dynamic(x, packed, False)
    return forms


def main() -> None:
    parser = benchmark_parser(__doc__, rounds=15, threads=1)
    parser.add_argument("--tokens", type=int, default=6 * 505)
    parser.add_argument("--inputs", type=int, default=768)
    parser.add_argument("--outputs", type=int, default=3072)
    arguments = parse_options(parser)
    torch.manual_seed(0)
    linear = nn.Linear(arguments.inputs, arguments.outputs).requires_grad_(False)
    x = torch.randn(arguments.tokens, arguments.inputs)
    with torch.inference_mode():
        forms = kernels(linear, x)
        expected = linear(x)
        errors = {form: ((run().float() - expected).norm() / expected.norm()).item() for form, run in forms.items()}
        seconds = time_alternately(forms, arguments.rounds)
    result = {key: value for key, value in vars(arguments).items() if key != "json"} | {
        "seconds": seconds,
        "over_fp32": {form: value / seconds["fp32"] for form, value in seconds.items()},
        "relative_error": errors,
    }
    write_numbers(result, arguments.json)


if __name__ == "__main__":
    main()
