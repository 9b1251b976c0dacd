"""The folder of an exported model is read only if it is what was exported, and replaced whole or not at all."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from exported_models import change_manifest, write_empty_export

from vlp_rvos.errors import UserError
from vlp_rvos.runtimes.artifact import (
    GRAPH_FILES,
    CheckpointSource,
    check_files,
    check_replaceable,
    graph_path,
    is_exported,
    new_folder,
    read_manifest,
    remove_export,
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return write_empty_export(tmp_path / "model", "onnx")


# --- manifest ------------------------------------------------------------------------------------------------------
def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    source = CheckpointSource("/models/mine.safetensors", "0" * 64, 1)
    cached = read_manifest(write_empty_export(tmp_path / "cached", "openvino", source))
    assert (cached.runtime, cached.source) == ("openvino", source)
    assert cached.hashes.keys() == {*GRAPH_FILES["openvino"]}
    asked = write_empty_export(tmp_path / "asked", "onnx")
    assert read_manifest(asked).source is None
    assert "source" not in json.loads((asked / "export.json").read_text()), "earlier versions do not know it"


def test_what_is_an_export(written: Path, tmp_path: Path) -> None:
    assert is_exported(written)
    assert not is_exported(tmp_path)
    assert not is_exported(tmp_path / "missing")
    assert graph_path(written, "clip", "onnx") == written / "clip.onnx"
    assert graph_path(written, "text", "openvino") == written / "text.xml"


def test_what_is_wrong_with_a_manifest_is_said_in_one_line(written: Path) -> None:
    good = (written / "export.json").read_text()
    for values, words in (
        ({"format": "other"}, "not the manifest of an exported model"),
        ({"format_version": 1}, "exported in format 1, this version reads 2; export the model again"),
        ({"runtime": "tensorrt"}, "'runtime' must be one of onnx, openvino"),
    ):
        change_manifest(written, **values)
        with pytest.raises(UserError, match=words) as caught:
            read_manifest(written)
        assert "\n" not in str(caught.value)
        (written / "export.json").write_text(good)
    (written / "export.json").write_text("{")
    with pytest.raises(UserError, match=r"no readable export\.json"):
        read_manifest(written)


# --- files ---------------------------------------------------------------------------------------------------------
def test_what_is_wrong_with_the_files_is_said_in_one_line(written: Path) -> None:
    check_files(written, read_manifest(written))
    good = (written / "export.json").read_text()
    for hashes, words in (
        ({"text.onnx": "0"}, "must have hashes of text.onnx, clip.onnx"),
        ({"text.onnx": "0", "../clip.onnx": "0"}, "must have hashes of text.onnx, clip.onnx"),
        ({"text.onnx": "0", "clip.onnx": "0"}, "text.onnx: not what was exported"),
    ):
        change_manifest(written, hashes=hashes)
        with pytest.raises(UserError, match=words) as caught:
            check_files(written, read_manifest(written))
        assert "\n" not in str(caught.value)
        (written / "export.json").write_text(good)
    with (written / "clip.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match=r"clip\.onnx: not what was exported"):
        check_files(written, read_manifest(written))
    (written / "clip.onnx").unlink()
    with pytest.raises(UserError, match=r"clip\.onnx: missing"):
        check_files(written, read_manifest(written))


def test_a_link_out_of_the_folder_is_not_followed(written: Path, tmp_path: Path) -> None:
    os.replace(written / "clip.onnx", tmp_path / "elsewhere.onnx")
    (written / "clip.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(UserError, match="a link that leaves the folder"):
        check_files(written, read_manifest(written))


# --- replacing and removing ----------------------------------------------------------------------------------------
def test_a_folder_is_replaced_whole_or_not_at_all(written: Path, tmp_path: Path) -> None:
    before = {x.name: x.read_bytes() for x in written.iterdir()}
    with suppress(RuntimeError), new_folder(written) as part:
        (part / "clip.onnx").touch()
        raise RuntimeError
    assert {x.name: x.read_bytes() for x in written.iterdir()} == before
    with new_folder(written) as part:
        (part / "new").touch()
    assert [x.name for x in written.iterdir()] == ["new"]
    with new_folder(tmp_path / "deep/empty") as part:
        (part / "new").touch()
    assert [x.name for x in tmp_path.iterdir() if x.name.startswith(".")] == []


def test_what_is_not_an_export_is_not_replaced(written: Path, tmp_path: Path) -> None:
    check_replaceable(written)
    check_replaceable(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    check_replaceable(tmp_path / "empty")
    (tmp_path / "holiday.jpg").touch()
    for path in (tmp_path, tmp_path / "holiday.jpg"):
        with pytest.raises(UserError, match="not an exported model: choose another folder"):
            check_replaceable(path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write into"), new_folder(tmp_path / "file/model"):
        pytest.fail("the block runs")


def test_only_the_files_of_an_export_are_removed(written: Path, tmp_path: Path) -> None:
    other = write_empty_export(tmp_path / "other", "openvino")
    (other / "notes.txt").touch()
    remove_export(written)
    assert not written.exists()
    remove_export(other)
    assert [x.name for x in other.iterdir()] == ["notes.txt"]
    with pytest.raises(UserError, match=r"no readable export\.json"):
        remove_export(other)
