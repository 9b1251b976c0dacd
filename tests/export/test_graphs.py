"""The graphs compute what the model computes, and a version number stands for that."""

from __future__ import annotations

from zlib import crc32

import pytest
import torch
from exported_models import exportable_model
from torch import Tensor

from vlp_rvos.export.graphs import GRAPH_VERSION, ClipGraph, ExportGraph, TextGraph, without_candidates
from vlp_rvos.models.vlp_rvos import VLPRVOS

WORDS = ["a red car", "the small dog that jumps over the fence"]
OUTPUTS = ("mask_logits", "presence_logits", "next_state")
#: For each graph version, what a model with set weights computes: for two clips, four values of each of `OUTPUTS`.
COMPUTED = {
    1: [
        [-0.9937, -1.3005, -1.6703, -0.9949],
        [0.1668, 0.1668, 0.1668, 0.1714],
        [0.236, 1.3949, 0.2384, 0.4069],
        [-1.0615, -0.5515, -1.5546, -0.8366],
        [0.1898, 0.1823, 0.191, 0.1815],
        [0.1982, 0.2914, 0.4601, 0.4742],
    ]
}


def run(graph: ExportGraph, **given: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        return dict(zip(graph.outputs, graph(*(given[name] for name in graph.inputs)), strict=True))


def predictions(model: VLPRVOS, frames: Tensor) -> list[dict[str, Tensor]]:
    """What the graphs give for two clips: the first frame, and the others."""
    batch = model.backbone.tokenize(WORDS)
    text = run(TextGraph(model), ids=batch.ids, mask=batch.mask)
    outputs: list[dict[str, Tensor]] = []
    for clip in (frames[:, :1], frames[:, 1:]):
        state = {"state": outputs[-1]["next_state"]} if outputs and "next_state" in outputs[-1] else {}
        outputs.append(run(ClipGraph(model), **{**text, "mask": batch.mask, "frames": clip, **state}))
    return outputs


@pytest.mark.parametrize("parts", [{"motion": True}, {"history": False}, {"presence": False}, {"temporal_prompts": 0}])
def test_graphs_compute_what_the_model_does(parts: dict[str, object]) -> None:
    model, frames = exportable_model(parts), torch.rand(1, 3, 3, 32, 48)
    found = predictions(model, frames)
    batch, history = model.backbone.tokenize(WORDS), None
    for clip, output in zip((frames[:, :1], frames[:, 1:]), found, strict=True):
        with torch.no_grad():
            expected = model(clip, batch, history)
        history = expected.history
        torch.testing.assert_close(output["mask_logits"], expected.mask_logits, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(output["correspondence_features"], expected.correspondence_features[0])
        assert ("next_state" in output) == model.config.history
        assert ("presence_logits" in output) == model.config.presence
        if model.config.presence:
            torch.testing.assert_close(output["presence_logits"], expected.presence_logits, rtol=1e-4, atol=1e-5)


def test_graphs_hold_the_dense_path_only() -> None:
    model, frames = exportable_model({"candidates": 5}, named=True), torch.rand(1, 3, 3, 32, 64)
    dense = VLPRVOS(model.backbone, model.config.replace(candidates=0)).eval()
    state = model.trained_state_dict()
    dense.load_trained({name: state[name] for name in dense.trained_state_dict()})
    graph = ClipGraph(model)
    assert graph.model.candidate_path is None
    assert graph.model.config.candidates == 0
    assert model.candidate_path is not None
    batch = model.backbone.tokenize(WORDS)
    with torch.no_grad():
        expected, whole = dense(frames[:, :1], batch), model(frames[:, :1], batch)
    found = predictions(model, frames)[0]
    torch.testing.assert_close(found["mask_logits"], expected.mask_logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found["presence_logits"], expected.presence_logits, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(whole.mask_logits, expected.mask_logits, atol=1e-2)
    assert without_candidates(dense) is dense


def test_graphs_share_the_weights_and_leave_the_model_as_it_was() -> None:
    model, fresh = exportable_model({"motion": True}), exportable_model({"motion": True})
    graph = ClipGraph(model)
    own = {parameter.data_ptr() for parameter in model.parameters()}
    assert {parameter.data_ptr() for parameter in graph.parameters()} <= own
    assert {name: type(x) for name, x in model.named_modules()} == {name: type(x) for name, x in fresh.named_modules()}
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))


@pytest.mark.parametrize("kind", [TextGraph, ClipGraph])
def test_examples_fit_the_dynamic_shapes(kind: type[ExportGraph]) -> None:
    graph = kind(exportable_model())
    example, shapes = graph.example(), graph.dynamic_shapes()
    assert len(example) == len(shapes) == len(graph.inputs)
    assert all(axis < value.ndim for value, axes in zip(example, shapes, strict=True) for axis in axes)


def test_another_computation_has_another_version() -> None:
    """Exports in users' caches count as current while the version stays the same."""
    model = exportable_model({"cube_size": 3, "motion": True}, layer_scale=True)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Weights by name, so that only the computation can change the outputs.
            values = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(crc32(name.encode())))
            parameter.copy_(values / max(1, parameter[0].numel() if parameter.ndim > 1 else 1) ** 0.5)
    frames = torch.rand(1, 3, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    outputs = [out[name].flatten() for out in predictions(model, frames) for name in OUTPUTS]
    found = torch.stack([values[torch.linspace(0, len(values) - 1, 4).long()] for values in outputs])
    message = (
        "the graphs compute something else: raise GRAPH_VERSION in export/graphs.py, so that exports in users' caches "
        f"are made again, and put these numbers into COMPUTED: {[[round(x, 4) for x in row] for row in found.tolist()]}"
    )
    assert torch.allclose(found, torch.tensor(COMPUTED[GRAPH_VERSION]), rtol=1e-3, atol=1e-3), message
