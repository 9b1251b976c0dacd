"""An exported model passes text, frames and state to its graphs; real graphs run in `export_checks.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from exported_models import change_manifest, write_empty_export

from vlp_rvos.errors import UserError
from vlp_rvos.runtimes import exported_runtime
from vlp_rvos.runtimes.exported_runtime import ExportedRuntime, Graph, resolve_precision
from vlp_rvos.runtimes.names import Precision


class ScriptedGraph(Graph):
    """Records what it is given; its answers are set."""

    precisions = ("fp32", "bf16")
    correspondence_name = "correspondence_features"
    presence = True

    def __init__(self, path: Path, threads: int, precision: Precision) -> None:
        self.path, self.threads, self.precision = path, threads, precision
        self.given: list[dict[str, npt.NDArray[Any]]] = []

    def __call__(self, given: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        self.given.append(dict(given))
        if self.path.stem == "text":
            return {"words": given["ids"].astype(np.float32), "state": np.zeros((len(given["ids"]), 1, 4), np.float32)}
        expressions, frames = len(given["mask"]), given["frames"].shape[1]
        shape = (expressions, frames)
        out = {
            "mask_logits": np.full((*shape, 32, 48), 2, np.float32),
            self.correspondence_name: np.ones((frames, 2, 3, 7), np.float32),
            "next_state": given["state"] + 1,
        }
        return out | ({"presence_logits": np.full(shape, 3, np.float32)} if self.presence else {})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(exported_runtime, "GRAPHS", {"onnx": ScriptedGraph, "openvino": ScriptedGraph})
    monkeypatch.setattr(exported_runtime, "require_installed", lambda *_, **__: None)
    return write_empty_export(tmp_path / "model", "onnx")


def test_text_frames_and_state_reach_the_graphs(folder: Path) -> None:
    runtime = ExportedRuntime(folder)
    assert (runtime.size_multiple, runtime.device, runtime.config.clip_length) == (16, torch.device("cpu"), 3)
    assert (runtime._text.path.name, runtime._clip.path.name) == ("text.onnx", "clip.onnx")  # type: ignore[attr-defined]
    text = runtime.encode_text(["a dog", "the dog jumps"])
    frames = torch.rand(1, 2, 3, 32, 48)
    first = runtime.step(frames, text)
    second = runtime.step(frames, text, first.state)
    (tokens,), (start, later) = runtime._text.given, runtime._clip.given  # type: ignore[attr-defined]
    assert tokens["mask"].tolist() == [[True] * 4 + [False], [True] * 5]
    assert np.array_equal(start["frames"], frames.numpy())
    assert np.array_equal(start["mask"], tokens["mask"])
    assert np.array_equal(start["words"], tokens["ids"])
    assert (start["state"] == 0).all(), "the text graph's state begins a video"
    assert (later["state"] == 1).all()
    assert (np.asarray(second.state) == 2).all()
    assert first.mask_logits.shape == (2, 2, 32, 48)
    assert first.presence_logits is not None
    assert (first.presence_logits == 3).all()
    assert first.correspondence_features is not None
    assert first.correspondence_features.shape == (2, 2, 3, 7)


def test_graphs_of_earlier_versions_and_without_presence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedGraph, "correspondence_name", "matching")
    monkeypatch.setattr(ScriptedGraph, "presence", False)
    runtime = ExportedRuntime(folder)
    prediction = runtime.step(torch.rand(1, 1, 3, 32, 48), runtime.encode_text(["a dog"]))
    assert prediction.correspondence_features is not None
    assert (prediction.correspondence_features == 1).all()
    assert prediction.presence_logits is None


def test_what_is_wrong_with_a_folder_is_said_in_one_line(folder: Path) -> None:
    good = (folder / "export.json").read_text()
    for values, words in (
        ({"format": "other"}, "not the manifest of an exported model"),
        ({"hashes": {"text.onnx": "0", "clip.onnx": "0"}}, "text.onnx: not what was exported"),
        ({"tokenizer": ["other", [1]]}, "unknown tokenizer 'other'"),
        ({"tokenizer": ["wordpiece", [1, 2, 3]]}, "another vocabulary"),
        ({"config": {"width": 0}}, "width must be from 1 to 4096, not 0"),
    ):
        change_manifest(folder, **values)
        with pytest.raises(UserError, match=words) as caught:
            ExportedRuntime(folder)
        assert "\n" not in str(caught.value)
        (folder / "export.json").write_text(good)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlp_rvos.utils.extras.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"openvino is not installed.*vlp-rvos\[export\]"):
        ExportedRuntime(write_empty_export(tmp_path / "model", "openvino"))


def test_precisions(folder: Path) -> None:
    assert ExportedRuntime(folder, "bf16")._clip.precision == "bf16"  # type: ignore[attr-defined]
    assert ExportedRuntime(folder)._clip.precision == "fp32"  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="precision 'int8': onnx models run in fp32 or bf16"):
        resolve_precision("onnx", "int8")


def test_precisions_of_the_runtimes() -> None:
    assert (resolve_precision("onnx", "auto"), resolve_precision("openvino", "bf16")) == ("fp32", "bf16")
    for runtime, precision, has in (("onnx", "bf16", "fp32"), ("openvino", "int8", "fp32 or bf16")):
        with pytest.raises(UserError, match=f"precision '{precision}': {runtime} models run in {has}"):
            resolve_precision(runtime, precision)  # type: ignore[arg-type]
