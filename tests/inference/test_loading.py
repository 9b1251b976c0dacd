"""The runtime of a model follows from the model and the options; what does not fit is said before long work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from exported_models import write_empty_export
from stubs import tiny_model

from vlp_rvos import Segmenter
from vlp_rvos.errors import UserError
from vlp_rvos.inference import loading
from vlp_rvos.inference.loading import load_cached, load_exported, load_runtime
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.models import checkpoint
from vlp_rvos.runtimes.torch_runtime import TorchRuntime


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder for ONNX Runtime in which everything is right but the graphs."""
    return write_empty_export(tmp_path / "model", "onnx")


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the packages of all runtimes were installed; they are not imported."""
    monkeypatch.setattr("vlp_rvos.utils.extras.find_spec", lambda _: object())


# --- PyTorch -------------------------------------------------------------------------------------------------------
def test_a_checkpoint_runs_on_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(checkpoint, "load_model", lambda *args: calls.append(args) or tiny_model())
    for runtime in ("auto", "torch"):
        options = InferenceOptions(device="cpu", precision="bf16", runtime=runtime, overrides={"history": False})  # type: ignore[arg-type]
        loaded = load_runtime("mini", options)
        assert isinstance(loaded, TorchRuntime)
        assert loaded.dtype == torch.bfloat16
    assert calls == [("mini", {"history": False}, torch.device("cpu"))] * 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": 1.0}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"presence_threshold": 1.5}, "presence_threshold"),
        ({"size": 0}, "size"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"device": "cuda:x"}, "unknown device"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"runtime": "tensorrt"}, "unknown runtime 'tensorrt'"),
    ],
)
def test_wrong_options_are_found_before_the_model_is_loaded(
    options: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "load_model", lambda *_: pytest.fail("loaded"))
    with pytest.raises(UserError, match=words):
        Segmenter.from_pretrained("mini", **options)  # type: ignore[arg-type]


def test_unknown_model() -> None:
    with pytest.raises(UserError, match="no-such-model"):
        load_runtime("no-such-model", InferenceOptions(device="cpu"))


# --- exported models -----------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("_installed")
def test_options_that_do_not_go_together(written: Path) -> None:
    for options, words in (
        ({"runtime": "openvino"}, "exported for onnx, not for openvino"),
        ({"runtime": "torch"}, "exported for onnx, not for torch"),
        ({"precision": "bf16"}, "precision 'bf16': onnx models run in fp32"),
        ({"precision": "int8", "device": "cpu"}, "precision 'int8': onnx models run in fp32"),
        ({"device": "cuda:7"}, "device 'cuda:7'"),
        ({"overrides": {"history": False}}, "settings of an exported model"),
        ({"runtime": "tensorrt"}, "unknown runtime 'tensorrt'"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            Segmenter.from_pretrained(written, **options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("_installed")
def test_a_wrong_precision_is_said_before_minutes_of_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "ensure_exported", lambda *_: pytest.fail("exports"))
    for runtime, precision, has in (("onnx", "bf16", "fp32"), ("openvino", "int8", "fp32 or bf16")):
        with pytest.raises(UserError, match=f"precision '{precision}': {runtime} models run in {has}"):
            load_exported("mini", InferenceOptions(runtime=runtime, precision=precision))  # type: ignore[arg-type]


def test_a_missing_package_is_said_before_minutes_of_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "ensure_exported", lambda *_: pytest.fail("exports"))
    monkeypatch.setattr("vlp_rvos.utils.extras.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"onnxruntime is not installed.*vlp-rvos\[export\]"):
        load_exported("mini", InferenceOptions(runtime="onnx"))


@pytest.mark.usefixtures("_installed")
def test_a_checkpoint_is_exported_for_another_runtime(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(loading, "ensure_exported", lambda *given: asked.append(given) or written)
    monkeypatch.setattr(loading, "ExportedRuntime", lambda *given: given)
    options = InferenceOptions(device="cpu", runtime="onnx", overrides={"history": False})
    assert load_runtime("mini", options) == (written, "auto")  # type: ignore[comparison-overlap]
    assert asked == [("mini", "onnx", {"history": False})]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="an exported model runs on the CPU"):
        load_runtime("mini", InferenceOptions(device="cuda", runtime="onnx"))


# --- the cache -----------------------------------------------------------------------------------------------------
def test_what_the_cache_holds_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {name: tmp_path / name for name in ("onnx", "openvino")}
    installed = {"onnxruntime", "openvino"}
    monkeypatch.setattr(loading, "cache_entry", lambda model, runtime, overrides: folders[runtime])
    monkeypatch.setattr(loading, "ExportedRuntime", lambda folder, precision: folder)
    monkeypatch.setattr("vlp_rvos.utils.extras.find_spec", lambda name: name in installed or None)
    # The masks of a model with candidates are not those of its exports.
    options = InferenceOptions(device="cpu", overrides={"candidates": 0})
    assert load_cached("mini", options) is None
    write_empty_export(folders["onnx"], "onnx")
    assert load_cached("mini", options) == folders["onnx"]  # type: ignore[comparison-overlap]
    write_empty_export(folders["openvino"], "openvino")
    assert load_runtime("mini", options) == folders["openvino"], "the fastest"  # type: ignore[comparison-overlap]
    installed.remove("openvino")
    assert load_cached("mini", options) == folders["onnx"]  # type: ignore[comparison-overlap]
    assert load_cached("mini", replace(options, precision="bf16")) is None
    assert load_cached("mini", replace(options, precision="fp32")) == folders["onnx"]  # type: ignore[comparison-overlap]
    assert load_cached("mini", replace(options, overrides={"candidates": 24})) is None


def test_a_damaged_cache_entry_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_empty_export(tmp_path / "model", "onnx")
    (folder / "text.onnx").write_text("damaged")
    monkeypatch.setattr(loading, "cache_entry", lambda *_: folder)
    monkeypatch.setattr("vlp_rvos.utils.extras.find_spec", lambda _: object())
    monkeypatch.setattr(checkpoint, "load_model", lambda *_: tiny_model())
    assert load_cached("mini", InferenceOptions()) is None
    assert isinstance(load_runtime("mini", InferenceOptions(device="cpu")), TorchRuntime)
