"""Which number formats the processor multiplies, and which of them is the fastest here, in a short measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn

from vlp_rvos.diagnosis.finding import Finding
from vlp_rvos.errors import UserError
from vlp_rvos.profiling.timing import time_alternately
from vlp_rvos.runtimes.int8 import QuantizedLinear, check_kernel
from vlp_rvos.runtimes.number_formats import multiplies

__all__ = ["diagnose_number_formats", "time_formats"]

#: Tokens, input and output channels of the product; channels, height and width of the convolution.
PRODUCT, CONVOLUTION = (2048, 256, 1024), (64, 64, 96)
ROUNDS = 5
CPU = torch.device("cpu")


def diagnose_number_formats() -> Iterator[Finding]:
    """A finding that says which format is the fastest for products of matrices, the larger part of a model."""
    supported = {"fp32": True, "bf16": multiplies(torch.bfloat16, CPU), "int8": _has_int8()}
    products, convolutions = time_formats(supported)
    data = {
        name: {
            "supported": there,
            "product_ms": _milliseconds(products.get(name)),
            "convolution_ms": _milliseconds(convolutions.get(name)),
        }
        for name, there in supported.items()
    }
    times = ", ".join(
        f"{name} {1000 * products[name]:.1f} ms" if there else f"{name} not by this processor"
        for name, there in supported.items()
    )
    fastest = min(products, key=products.__getitem__)
    text = f"product of matrices: {times}; convolution: " + ", ".join(
        f"{name} {1000 * seconds:.1f} ms" for name, seconds in convolutions.items()
    )
    advice = (
        None if fastest == "fp32" else f"{fastest} was the fastest: try --precision {fastest}; masks change a little"
    )
    yield Finding("number formats", text, "ok", advice, {"formats": data, "fastest": fastest})


def time_formats(supported: dict[str, bool]) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds of a product of matrices and of a convolution, for each format that is supported.

    Integers have no convolution here, because the models have none.
    """
    tokens, inputs, outputs = PRODUCT
    channels, height, width = CONVOLUTION
    linear, x = nn.Linear(inputs, outputs, bias=False), torch.randn(tokens, inputs)
    image, kernel = torch.randn(1, channels, height, width), torch.randn(channels, channels, 3, 3)
    products: dict[str, Callable[[], object]] = {"fp32": lambda: linear(x)}
    convolutions: dict[str, Callable[[], object]] = {"fp32": lambda: F.conv2d(image, kernel, padding=1)}
    if supported["bf16"]:
        short, half = x.bfloat16(), linear.weight.bfloat16()
        picture, weights = image.bfloat16(), kernel.bfloat16()
        products["bf16"] = lambda: F.linear(short, half)
        convolutions["bf16"] = lambda: F.conv2d(picture, weights, padding=1)
    if supported["int8"]:
        quantized = QuantizedLinear(linear)
        products["int8"] = lambda: quantized(x)
    with torch.inference_mode():
        return time_alternately(products, ROUNDS), time_alternately(convolutions, ROUNDS)


def _has_int8() -> bool:
    try:
        check_kernel()
    except UserError:
        return False
    return True


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)
