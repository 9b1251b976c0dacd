"""Names of number formats and runtimes, as options and files spell them; importing them does not import torch."""

from __future__ import annotations

from typing import Literal

__all__ = ["ExportFormat", "Precision", "RuntimeName"]

#: Number format of the computation; "auto" leaves the choice to the runtime.
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
#: What runs a model; "auto" leaves the choice to `vlp_rvos.inference.loading.load_runtime`.
RuntimeName = Literal["auto", "torch", "onnx", "openvino"]
#: What a model can be exported for.
ExportFormat = Literal["onnx", "openvino"]
