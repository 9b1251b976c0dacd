"""Writing a model for other runtimes: traced by `torch.export`, stored as ONNX, and from that as OpenVINO's IR."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._dynamo import config as dynamo_config
from torch.fx.experimental import _config as symbolic_config

from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.export.graphs import ClipGraph, ExportGraph, TextGraph
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.runtimes.artifact import GRAPH_FILES, Manifest, check_replaceable, file_hash, graph_path, new_folder
from vlp_rvos.runtimes.exported_runtime import PACKAGES, ExportedRuntime
from vlp_rvos.runtimes.exported_tokenizer import find_tokenizer
from vlp_rvos.runtimes.names import ExportFormat
from vlp_rvos.runtimes.torch_runtime import TorchRuntime
from vlp_rvos.utils.extras import require_installed

__all__ = ["export_model"]

#: the version that exports were checked with; what earlier ones make of sizes that change is not known
TORCH_NEEDED = (2, 13)
# From 23 on attention is one operator, for which ONNX Runtime wants masks that are not broadcast.
OPSET = 20
LARGEST_DIFFERENCE = 0.01


def export_model(model: VLPRVOS, folder: Path, runtime: ExportFormat) -> float:
    """Write a model into a folder, whole or not at all, after a comparison with PyTorch.

    Args:
        model: on the CPU, in fp32; it is put into evaluation mode.
        folder: a new or empty one, or an earlier export, which is replaced.
        runtime: to export it for.

    Returns:
        The largest difference from PyTorch of a foreground probability, in [0, 1], on two clips of random blobs.

    Raises:
        UserError: packages or the version of torch that the export needs are missing, or `folder` holds something
            else.
        VLPRVOSError: the exported model does not compute what PyTorch does.
    """
    require_installed("onnx", "onnxscript", PACKAGES[runtime], extra="export")
    if tuple(map(int, torch.__version__.split(".")[:2])) < TORCH_NEEDED:
        needed = ".".join(map(str, TORCH_NEEDED))
        raise UserError(f"export needs torch {needed} or newer, this is {torch.__version__}; upgrade torch")
    check_replaceable(folder)
    tokenizer = find_tokenizer(model.backbone)
    model.eval()
    with new_folder(folder) as part:
        for graph in (TextGraph(model), ClipGraph(model)):
            onnx_file = part / f"{graph.name}.onnx"
            _write_onnx(graph, onnx_file)
            if runtime == "openvino":
                _onnx_to_openvino(onnx_file, graph_path(part, graph.name, runtime))
                onnx_file.unlink()
        Manifest(
            runtime=runtime,
            backbone=model.backbone.name,
            config=model.config.to_dict(),
            tokenizer=tokenizer,
            max_words=model.backbone.max_words,
            size_multiple=model.backbone.size_multiple,
            hashes={name: file_hash(part / name) for name in GRAPH_FILES[runtime]},
        ).write(part)
        difference = _difference(model, ExportedRuntime(part))
        if not difference <= LARGEST_DIFFERENCE:
            raise VLPRVOSError(
                f"the model exported for {runtime} differs from PyTorch by {difference:.3f}; not written"
            )
    return difference


def _write_onnx(graph: ExportGraph, file: Path) -> None:
    # Without the assumption that a size which may change is never 1, tracing is exact for clips of one frame and one
    # expression, and several times faster; the cache costs more than it saves where sizes are formulas.
    with (
        torch.no_grad(),
        _quiet(),
        symbolic_config.patch(backed_size_oblivious=True),  # type: ignore[attr-defined]
        dynamo_config.patch(fake_tensor_cache_enabled=False),
    ):
        program = torch.export.export(
            graph,
            graph.example(),
            dynamic_shapes=graph.dynamic_shapes(),
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=True,
        )
        torch.onnx.export(
            program,
            f=file,
            dynamo=True,
            input_names=graph.inputs,
            output_names=graph.outputs,
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )


def _onnx_to_openvino(file: Path, target: Path) -> None:
    import openvino

    openvino.save_model(openvino.Core().read_model(file), target, compress_to_fp16=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own remarks, for example on packages that it could use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@torch.no_grad()
def _difference(model: VLPRVOS, exported: ExportedRuntime) -> float:
    """Largest difference of a foreground probability on a first and a second clip, of other sizes than when traced."""
    expressions = ["a cat", "the person on the left", "something that is red and moves"]
    pictures = torch.Generator().manual_seed(0)
    config, side = model.config, model.backbone.size_multiple
    height, width = config.frame_size(3, 4, side)
    predictions: list[list[Tensor]] = []
    clips = [
        F.interpolate(torch.rand(length, 3, 5, 7, generator=pictures), (height, width), mode="bilinear")[None]
        for length in (config.clip_length, 1)
    ]
    for runtime in (TorchRuntime(model, precision="fp32"), exported):
        text, logits = runtime.encode_text(expressions), []
        state: Any = None
        for frames in clips:
            prediction = runtime.step(frames, text, state)
            state = prediction.state
            logits.append(prediction.mask_logits.sigmoid())
        predictions.append(logits)
    return max(float((a - b).abs().max()) for a, b in zip(*predictions, strict=True))
