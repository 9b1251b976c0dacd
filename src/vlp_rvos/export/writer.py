"""Export a model: `torch.export` traces it, and the graphs are stored as ONNX or converted to OpenVINO's format."""

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
from vlp_rvos.export.graphs import ClipGraph, ExportGraph, TextGraph, without_candidates
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.runtimes.artifact import (
    GRAPH_FILES,
    CheckpointSource,
    Manifest,
    check_replaceable,
    file_hash,
    graph_path,
    new_folder,
)
from vlp_rvos.runtimes.exported_runtime import PACKAGES, ExportedRuntime
from vlp_rvos.runtimes.exported_tokenizer import find_tokenizer
from vlp_rvos.runtimes.names import ExportFormat
from vlp_rvos.runtimes.torch_runtime import TorchRuntime
from vlp_rvos.utils.extras import require_installed
from vlp_rvos.utils.progress import announce

__all__ = ["export_model"]

#: The oldest version of torch that exports were checked with; earlier ones may handle variable sizes differently.
TORCH_NEEDED = (2, 13)
#: From version 23 on, attention is one operator, for which ONNX Runtime does not broadcast masks.
OPSET = 20
#: Largest difference between PyTorch and an exported model in a foreground probability.
LARGEST_DIFFERENCE = 0.01


def export_model(model: VLPRVOS, folder: Path, runtime: ExportFormat, source: CheckpointSource | None = None) -> float:
    """Export a model, and compare the result with PyTorch before anything is written into the folder.

    The candidate path is left out: the export computes what the model loaded with `candidates` 0 does.

    Args:
        model: the model, on the CPU and in fp32; it is put into evaluation mode.
        folder: a new or empty folder, or that of an earlier export, which is replaced.
        runtime: the runtime to export the model for.
        source: the checkpoint behind the model, for exports in the user's cache.

    Returns:
        The largest difference from PyTorch in a foreground probability, in [0, 1], on two clips of random blobs.

    Raises:
        UserError: a package is not installed, torch is too old, or `folder` holds something else.
        VLPRVOSError: the exported model does not compute what PyTorch does.
    """
    require_installed("onnx", "onnxscript", PACKAGES[runtime], extra="export")
    if tuple(map(int, torch.__version__.split(".")[:2])) < TORCH_NEEDED:
        needed = ".".join(map(str, TORCH_NEEDED))
        raise UserError(f"export needs torch {needed} or newer, this is {torch.__version__}; upgrade torch")
    check_replaceable(folder)
    tokenizer = find_tokenizer(model.backbone)
    if model.config.candidates:
        announce("leaving out the candidate path: exported models have candidates 0, and the dense head alone decides")
    model = without_candidates(model).eval()
    with new_folder(folder) as part:
        graphs = (TextGraph(model), ClipGraph(model))
        for number, graph in enumerate(graphs, start=1):
            announce(f"tracing the {graph.name} graph ({number} of {len(graphs)})")
            onnx_file = part / f"{graph.name}.onnx"
            _write_onnx(graph, onnx_file)
            if runtime == "openvino":
                announce(f"converting the {graph.name} graph for OpenVINO ({number} of {len(graphs)})")
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
            source=source,
        ).write(part)
        announce("checking against PyTorch")
        difference = _difference(model, ExportedRuntime(part))
        if not difference <= LARGEST_DIFFERENCE:
            raise VLPRVOSError(
                f"the model exported for {runtime} differs from PyTorch by {difference:.3f}; not written"
            )
    return difference


def _write_onnx(graph: ExportGraph, file: Path) -> None:
    # By default, tracing assumes that a variable size is never 1. Without the assumption, the graph is also right for
    # clips of one frame and for one expression, and tracing is several times faster. The cache of fake tensors costs
    # more time than it saves when sizes are formulas.
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
    """Silence the exporter's remarks, for example on packages that it could use."""
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
    """Largest difference in a foreground probability, on a first and a second clip of other sizes than traced."""
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
