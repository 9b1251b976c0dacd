"""One large linear layer by all kernels that PyTorch has for it, in one run: time as a share of fp32, and the error.

    python benchmarks/int8_linear.py --json int8_linear.json

The default is the first MLP layer of ViT-B/16 for a clip of 6 frames, on one thread. `QuantizedLinear` is oneDNN's
product with a scale for every token; `linear_dynamic` needs PyTorch's quantised tensors, which are to be removed.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.profiling.timing import time_alternately
from vlp_rvos.runtimes.int8 import QuantizedLinear
from vlp_rvos.utils.atomic import write_bytes


def kernels(linear: nn.Linear, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Each with what it needs to turn `x` into the layer's output."""
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=6 * 505)
    parser.add_argument("--inputs", type=int, default=768)
    parser.add_argument("--outputs", type=int, default=3072)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
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
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json:
        write_bytes(arguments.json, (text + "\n").encode())


if __name__ == "__main__":
    main()
