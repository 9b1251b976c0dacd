"""Names of number formats and of runtimes, as options and files have them; importing them needs no torch."""

from __future__ import annotations

from typing import Literal

__all__ = ["ExportFormat", "Precision", "RuntimeName"]

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
RuntimeName = Literal["auto", "torch", "onnx", "openvino"]
ExportFormat = Literal["onnx", "openvino"]
