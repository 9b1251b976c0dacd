"""Exports with real graphs; `export/test_writer.py` runs this file in a process of its own."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import noise, write_video
from exported_models import change_manifest, exportable_model

from vlp_rvos import Segmenter
from vlp_rvos.cli import app as cli
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.export import writer
from vlp_rvos.export.graphs import ExportGraph
from vlp_rvos.export.writer import export_model
from vlp_rvos.inference.loading import load_exported, load_runtime
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.models import checkpoint
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.runtimes import artifact as folder
from vlp_rvos.runtimes.artifact import read_manifest
from vlp_rvos.runtimes.exported_runtime import ExportedRuntime
from vlp_rvos.runtimes.torch_runtime import TorchRuntime
from vlp_rvos.utils.progress import ANNOUNCEMENTS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
openvino = pytest.importorskip("openvino")

WORDS = ["a red car", "the small dog that jumps over the fence", "it"]
FORMATS = ["onnx", "openvino"]


@contextmanager
def traced_once() -> Iterator[None]:
    """One model's graphs are traced for the first format only: that takes nearly all of the time of an export."""
    trace, traced = writer._write_onnx, {}

    def write(graph: ExportGraph, file: Path) -> None:
        if graph.name not in traced:
            trace(graph, file)
            traced[graph.name] = file.read_bytes()
        file.write_bytes(traced[graph.name])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_write_onnx", write)
        yield


@pytest.fixture(scope="module")
def model() -> VLPRVOS:
    """With all parts, and cubes that do not divide the grid; one model, because tracing takes long."""
    return exportable_model({"cube_size": 3, "motion": True}, layer_scale=True)


@pytest.fixture(scope="module")
def exported(model: VLPRVOS, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp("exported") / name for name in FORMATS}
    with traced_once():
        for name, path in folders.items():
            assert export_model(model, path, name) < 1e-4  # type: ignore[arg-type]
    return folders


# --- the same as PyTorch -------------------------------------------------------------------------------------------
def assert_same(model: VLPRVOS, runtime: ExportedRuntime, expressions: int, lengths: Sequence[int]) -> None:
    reference = TorchRuntime(model, precision="fp32")
    texts = [x.encode_text(WORDS[:expressions]) for x in (reference, runtime)]
    states: list[object] = [None, None]
    for size, length in zip(itertools.cycle([(64, 48), (16, 32)]), lengths, strict=False):
        frames = torch.rand(1, length, 3, *size)
        outputs = [
            x.step(frames, text, state) for x, text, state in zip((reference, runtime), texts, states, strict=True)
        ]
        states = [out.state for out in outputs]
        expected, found = outputs
        assert expected.mask_logits.std() > 0.1
        torch.testing.assert_close(found.mask_logits, expected.mask_logits, rtol=1e-4, atol=1e-4)
        if expected.presence_logits is None:
            assert found.presence_logits is None
        else:
            torch.testing.assert_close(found.presence_logits, expected.presence_logits, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_any_length_size_and_number_of_expressions(model: VLPRVOS, exported: dict[str, Path], name: str) -> None:
    runtime = ExportedRuntime(exported[name])
    for expressions, lengths in ((1, [1, 3, 2]), (3, [3, 1]), (2, [2, 2])):
        assert_same(model, runtime, expressions, lengths)


@pytest.mark.slow
def test_a_graph_with_the_old_name_of_an_output_runs(model: VLPRVOS, exported: dict[str, Path], tmp_path: Path) -> None:
    old = shutil.copytree(exported["onnx"], tmp_path / "old")
    graph = onnx.load(old / "clip.onnx")
    (output,) = (value for value in graph.graph.output if value.name == "correspondence_features")
    for node in graph.graph.node:
        for names in (node.input, node.output):
            names[:] = ["matching" if name == output.name else name for name in names]
    output.name = "matching"
    onnx.save(graph, old / "clip.onnx")
    change_manifest(old, hashes={name: folder.file_hash(old / name) for name in folder.GRAPH_FILES["onnx"]})
    runtime, frames = ExportedRuntime(old), torch.rand(1, 2, 3, 64, 48)
    assert "matching" in runtime._clip._outputs  # type: ignore[attr-defined]
    found = runtime.step(frames, runtime.encode_text(WORDS)).correspondence_features
    reference = TorchRuntime(model, precision="fp32")
    expected = reference.step(frames, reference.encode_text(WORDS)).correspondence_features
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_with_all_parts_switched_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    prompts = dict.fromkeys(("language_prompts", "vision_prompts", "temporal_prompts"), 0)
    parts = dict.fromkeys(("history", "reference_guided", "vlff", "score_map", "shallow", "presence"), False)
    model = exportable_model({**prompts, **parts, "str_blocks": 1, "attention": "full"}, causal=True, vision_layers=1)
    with caplog.at_level("INFO", ANNOUNCEMENTS):
        export_model(model, tmp_path / "out", "onnx")
    assert [record.message for record in caplog.records if record.name == ANNOUNCEMENTS] == [
        "tracing the text graph (1 of 2)",
        "tracing the clip graph (2 of 2)",
        "checking against PyTorch",
    ]
    assert_same(model, ExportedRuntime(tmp_path / "out"), 2, [3, 2])


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_segmenter_runs_it(model: VLPRVOS, exported: dict[str, Path], name: str) -> None:
    pictures = noise(7, (90, 50))
    expected = list(Segmenter(TorchRuntime(model, precision="fp32")).segment(pictures, WORDS))
    segmenter = Segmenter.from_pretrained(exported[name])
    assert segmenter.name == name
    assert segmenter.config == model.config
    for a, b in zip(segmenter.segment(pictures, WORDS), expected, strict=True):
        assert np.mean(a.masks != b.masks) < 1e-3
        assert a.scores == pytest.approx(b.scores, abs=1e-3)
        assert a.presences == pytest.approx(b.presences, abs=1e-4)


@pytest.mark.slow
def test_openvino_in_half_precision(model: VLPRVOS, exported: dict[str, Path]) -> None:
    pictures = noise(4, (90, 50))
    half = Segmenter.from_pretrained(exported["openvino"], precision="bf16").segment(pictures, WORDS)
    for a, b in zip(half, Segmenter(TorchRuntime(model, precision="fp32")).segment(pictures, WORDS), strict=True):
        assert np.mean(a.masks != b.masks) < 0.05


@pytest.mark.slow
def test_exporting_leaves_the_model_as_it_was(model: VLPRVOS, exported: dict[str, Path]) -> None:
    fresh = exportable_model({"cube_size": 3, "motion": True}, layer_scale=True)
    assert {name: type(x) for name, x in model.named_modules()} == {name: type(x) for name, x in fresh.named_modules()}
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))
    assert [x.requires_grad for x in model.parameters()] == [x.requires_grad for x in fresh.parameters()]


# --- the folder ----------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_folder_is_complete_and_small(model: VLPRVOS, exported: dict[str, Path]) -> None:
    for name, path in exported.items():
        assert {x.name for x in path.iterdir()} == {*folder.GRAPH_FILES[name], "export.json"}  # type: ignore[index]
        assert not list(path.parent.glob(".*"))
        manifest = read_manifest(path)
        assert manifest.runtime == name
        assert manifest.size_multiple == 16
        assert ModelConfig.from_dict(manifest.config) == model.config


def test_what_is_not_an_export_is_not_replaced(model: VLPRVOS, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(UserError, match="not an exported model: choose another folder"):
        export_model(model, tmp_path, "onnx")
    with pytest.raises(UserError, match="choose another folder"):
        export_model(model, tmp_path / "holiday.jpg", "onnx")
    assert [x.name for x in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_wrong_export_is_not_written(model: VLPRVOS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_write_onnx", lambda _, file: file.touch())
    monkeypatch.setattr(writer, "ExportedRuntime", lambda _: None)
    for difference in (0.5, float("nan")):
        monkeypatch.setattr(writer, "_difference", lambda *_, value=difference: value)
        with pytest.raises(VLPRVOSError, match="differs from PyTorch"):
            export_model(model, tmp_path / "out", "onnx")
        assert list(tmp_path.iterdir()) == []


def test_candidates_are_left_out_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = exportable_model({"candidates": 5}, named=True)
    compared: list[VLPRVOS] = []
    monkeypatch.setattr(writer, "_write_onnx", lambda _, file: file.touch())
    monkeypatch.setattr(writer, "ExportedRuntime", lambda _: None)
    monkeypatch.setattr(writer, "_difference", lambda dense, _: compared.append(dense) or 0.0)
    with caplog.at_level("INFO", ANNOUNCEMENTS):
        export_model(model, tmp_path / "out", "onnx")
    said = [record.message for record in caplog.records if "candidate" in record.message]
    assert said == [
        "leaving out the candidate path: exported models have candidates 0, and the dense head alone decides"
    ]
    assert read_manifest(tmp_path / "out").config["candidates"] == 0
    assert compared[0].candidate_path is None
    assert model.candidate_path is not None


def test_an_old_torch_and_missing_packages_are_named(
    model: VLPRVOS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "2.6.1+cpu")
        with pytest.raises(UserError, match=r"export needs torch 2\.\d+ or newer, this is 2\.6\.1"):
            export_model(model, tmp_path / "out", "onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxruntime" else object())
    words = r"onnxruntime is not installed; install with: pip install 'vlp-rvos\[export\]'"
    with pytest.raises(UserError, match=words):
        load_exported("mini", InferenceOptions(runtime="onnx"))


# --- cache and commands ---------------------------------------------------------------------------------------------
def test_a_cached_export_is_the_default(
    model: VLPRVOS, exported: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "load_model", lambda *_: model)
    assert isinstance(load_runtime("mini"), TorchRuntime)
    monkeypatch.setattr("vlp_rvos.inference.loading.cache_entry", lambda *given: exported[given[1]])
    options = InferenceOptions(device="cpu", overrides={"candidates": 0})
    cached = load_runtime("mini", options)
    assert isinstance(cached, ExportedRuntime)
    assert "OpenVino" in type(cached._clip).__name__
    assert_same(model, cached, 2, [2])
    damaged = shutil.copytree(exported["openvino"], tmp_path / "damaged")
    next(damaged.glob("*.xml")).write_text("<")
    for without in (tmp_path / "none", damaged):
        places = exported | {"openvino": without}
        monkeypatch.setattr("vlp_rvos.inference.loading.cache_entry", lambda *given, places=places: places[given[1]])
        other = load_runtime("mini", options)
        assert isinstance(other, ExportedRuntime)
        assert "Onnx" in type(other._clip).__name__
    assert isinstance(load_runtime("mini", InferenceOptions(runtime="torch")), TorchRuntime)
    assert isinstance(load_runtime("mini", InferenceOptions(precision="bf16")), TorchRuntime)
    monkeypatch.setattr("vlp_rvos.utils.extras.find_spec", lambda _: None)
    assert isinstance(load_runtime("mini"), TorchRuntime)


@pytest.mark.slow
def test_the_commands(
    model: VLPRVOS,
    exported: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "load_model", lambda *_: model)
    monkeypatch.setattr(writer, "_write_onnx", lambda _, file: shutil.copy(exported["onnx"] / file.name, file))
    out = tmp_path / "exported"
    assert cli.main(["export", "mini", "-o", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"wrote {out} (onnx, ")
    assert printed.err.splitlines() == [
        "tracing the text graph (1 of 2)",
        "tracing the clip graph (2 of 2)",
        "checking against PyTorch",
    ]
    video = write_video(tmp_path / "a.mp4", noise(4))
    arguments = ["segment", str(video), "the dog", "--no-overlay", "-o", str(tmp_path / "masks"), "--model"]
    assert cli.main([*arguments, str(out)]) == 0
    assert cli.main([*arguments, str(out), "--runtime", "openvino"]) == 2
    assert "exported for onnx" in capsys.readouterr().err
    assert cli.main(["export", "mini", "-o", str(video)]) == 2
    assert cli.main(["export", "mini", "-o", str(out), "--format", "tensorrt"]) == 2


# --- the shipped model ---------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_mini_finds_the_same_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    video, words = Path(__file__).parents[1] / "examples/cat.mp4", ["the cat", "the wall behind it"]
    options = {"every": 2, "end": 1.0}
    # Exports leave out the candidates.
    dense = Segmenter.from_pretrained("mini", device="cpu", precision="fp32", overrides={"candidates": 0})
    expected = list(dense.segment(video, words, **options))
    assert any(x.masks[0].any() for x in expected)
    with traced_once():
        for name in FORMATS:
            found = Segmenter.from_pretrained("mini", runtime=name).segment(video, words, **options)  # type: ignore[arg-type]
            for a, b in zip(found, expected, strict=True):
                union = (a.masks | b.masks).sum()
                assert (a.masks & b.masks).sum() >= 0.99 * union
                assert a.presences == pytest.approx(b.presences, abs=1e-3)
