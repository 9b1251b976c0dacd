"""Exports of checkpoints are made once and kept in the user's cache, and stale ones are removed."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest
from exported_models import write_empty_export
from stubs import tiny_model

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.export import cache, writer
from vlp_rvos.export.cache import cache_entry, cache_folder, ensure_exported
from vlp_rvos.export.graphs import GRAPH_VERSION
from vlp_rvos.models import checkpoint
from vlp_rvos.runtimes.artifact import CheckpointSource, file_hash, new_folder, read_manifest
from vlp_rvos.runtimes.names import ExportFormat


class Exports:
    """Takes the place of the exporter: writes empty exports, and records what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[tuple[Path, Mapping[str, object] | None, str]] = []

    def load(self, path: Path, overrides: Mapping[str, object] | None) -> tuple[Path, Mapping[str, object] | None]:
        return path, overrides

    def export(
        self,
        model: tuple[Path, Mapping[str, object] | None],
        folder: Path,
        runtime: ExportFormat,
        source: CheckpointSource | None,
    ) -> float:
        self.calls.append((*model, runtime))
        with new_folder(folder) as part:
            write_empty_export(part, runtime, source)
        return 0.0

    def checkpoint(self, name: str = "mine", **metadata: object) -> Path:
        """Write a checkpoint, or write it again with other contents."""
        file = self.folder / f"{name}.safetensors"
        checkpoint.save_trained(file, tiny_model(), metadata)
        return file


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exports:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Exports(tmp_path)
    monkeypatch.setattr(checkpoint, "load_model", made.load)
    monkeypatch.setattr(writer, "export_model", made.export)
    return made


@pytest.mark.filterwarnings("ignore:exporting")
def test_a_checkpoint_is_exported_once(exports: Exports, tmp_path: Path) -> None:
    file = exports.checkpoint()
    with pytest.warns(VLPRVOSWarning, match="exporting mine for onnx, once"):
        first = ensure_exported(file, "onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ensure_exported(file, "onnx") == first
    assert first.parent == tmp_path / "cache/vlp-rvos/exported"
    assert exports.calls == [(file, None, "onnx")]

    folders = [first, ensure_exported(file, "openvino"), ensure_exported(file, "onnx", {"history": False})]
    assert exports.calls[1:] == [(file, None, "openvino"), (file, {"history": False}, "onnx")]
    (first / "text.onnx").write_text("damaged")
    assert ensure_exported(file, "onnx") == first
    exports.checkpoint(steps=1)
    folders.append(ensure_exported(file, "onnx"))
    assert exports.calls[3:] == [(file, None, "onnx")] * 2
    assert len({*folders}) == 4


def test_the_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine/vlp-rvos/exported"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/vlp-rvos/exported"


def test_what_decides_the_entry(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    file = exports.checkpoint()
    entry = cache_entry(file, "onnx")
    assert cache_entry(file, "onnx", {}) == entry
    two = [cache_entry(file, "onnx", {"history": False, "motion": True}), cache_entry(file, "onnx", {"history": False})]
    assert len({entry, *two}) == 3
    assert cache_entry(file, "onnx", {"motion": True, "history": False}) == two[0], "the order is no matter"
    content = file.read_bytes()
    exports.checkpoint(steps=1)
    assert cache_entry(file, "onnx") != entry
    file.write_bytes(content)
    assert cache_entry(file, "onnx") == entry
    monkeypatch.setattr(cache, "GRAPH_VERSION", GRAPH_VERSION + 1)
    assert cache_entry(file, "onnx") != entry
    with pytest.raises(UserError, match="no-such-model"):
        cache_entry("no-such-model", "onnx")


@pytest.mark.filterwarnings("ignore:exporting")
def test_stale_entries_of_a_checkpoint_are_removed(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    file, other = exports.checkpoint(), exports.checkpoint("other")
    stale = [ensure_exported(file, "onnx"), ensure_exported(file, "onnx", {"history": False})]
    kept = [ensure_exported(file, "openvino"), ensure_exported(other, "onnx")]
    assert all(folder.is_dir() for folder in (*stale, *kept)), "overrides and runtimes do not replace each other"
    source = read_manifest(stale[0]).source
    assert source == CheckpointSource(str(file.resolve()), file_hash(file), GRAPH_VERSION)

    exports.checkpoint(steps=1)
    current = ensure_exported(file, "onnx")
    assert not any(folder.exists() for folder in stale)
    assert all(folder.is_dir() for folder in (*kept, current))
    monkeypatch.setattr(cache, "GRAPH_VERSION", GRAPH_VERSION + 1)
    last = ensure_exported(file, "onnx")
    assert not current.exists()
    assert all(folder.is_dir() for folder in (*kept, last))


@pytest.mark.filterwarnings("ignore:exporting")
def test_entries_of_earlier_versions_are_removed(exports: Exports) -> None:
    """Their manifests do not name the checkpoint, but their folders do."""
    file, folder = exports.checkpoint(), cache_folder()
    old = write_empty_export(folder / "mine-onnx-0123456789abcdef", "onnx")
    names = ("mine-openvino-0123456789abcdef", "mine-onnx-of-my-own", "mine-2-onnx-0123456789abcdef")
    kept = [write_empty_export(folder / name, "openvino" if "openvino" in name else "onnx") for name in names]
    current = ensure_exported(file, "onnx")
    assert not old.exists()
    assert all(path.is_dir() for path in (*kept, current))


@pytest.mark.filterwarnings("ignore:exporting")
def test_nothing_but_stale_entries_is_touched(exports: Exports, tmp_path: Path) -> None:
    file, folder = exports.checkpoint(), cache_folder()
    stale = ensure_exported(file, "onnx")
    (stale / "notes.txt").touch()
    foreign = folder / "mine-onnx-0123456789abcdef"
    foreign.mkdir()
    (foreign / "clip.onnx").touch()
    (folder / "file").touch()
    unreadable = write_empty_export(folder / "mine-onnx-1123456789abcdef", "onnx")
    (unreadable / "export.json").write_text(json.dumps({"format": "another program's"}))
    elsewhere = write_empty_export(tmp_path / "elsewhere", "onnx")
    (folder / "mine-onnx-2123456789abcdef").symlink_to(elsewhere)
    exports.checkpoint(steps=1)
    ensure_exported(file, "onnx")
    assert [path.name for path in stale.iterdir()] == ["notes.txt"], "only the files of the export"
    assert (foreign / "clip.onnx").exists()
    assert (folder / "file").exists()
    assert (unreadable / "clip.onnx").exists()
    assert (elsewhere / "clip.onnx").exists()
