"""Files appear whole or not at all, whoever writes them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from killed import left_by_a_killed_process

from vlp_rvos.errors import UserError
from vlp_rvos.utils.atomic import (
    AtomicWriter,
    folder_failure,
    os_reason,
    replace_file,
    write_bytes,
    write_failure,
    write_json,
    write_text,
)


class Writer(AtomicWriter):
    def __init__(self, fails: bool = False) -> None:
        self.calls: list[str] = []
        self.fails = fails

    def close(self) -> None:
        self.calls.append("close")
        if self.fails:
            raise OSError("disk full")

    def discard(self) -> None:
        self.calls.append("discard")


def test_a_full_disk_is_named_whoever_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(part: Path) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    target = tmp_path / "file"
    with pytest.raises(RuntimeError, match="PytorchStreamWriter"):
        replace_file(target, fail)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=0))
    with pytest.raises(OSError, match="No space left") as caught:
        replace_file(target, fail)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(target))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced(tmp_path: Path, durable: bool) -> None:
    target = tmp_path / "new" / "file"
    for text in ("first", "second"):
        replace_file(target, lambda part: part.write_text(text), durable=durable)  # noqa: B023
        assert target.read_text() == text
    assert os.listdir(target.parent) == ["file"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail(part: Path) -> None:
        part.write_text("half of it")
        assert target.read_text() == "old"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(target, fail)
    assert (os.listdir(tmp_path), target.read_text()) == (["file"], "old")


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "other").touch()

    def write(part: Path) -> None:
        part.write_text("text")
        part.chmod(0o600)

    replace_file(tmp_path / "file", write)
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "cannot write .*file: no space left on the disk"),
        (OSError(errno.EIO, "Input/output error"), "cannot write .*file: Input/output error"),
    ],
)
def test_bytes_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, message: str) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(UserError, match=message):
        write_bytes(tmp_path / "file", b"data")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write into .*file \(it is a file\); choose another"):
        write_bytes(tmp_path / "file" / "inside", b"")
    with pytest.raises(UserError, match="cannot write"):
        write_bytes(tmp_path, b"")


def test_json(tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", {"who": "Łukasz", "scores": [0.1, None]})
    text = (tmp_path / "file.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"who": "Łukasz", "scores": [0.1, None]}
    assert "Łukasz" in text
    assert text.endswith("}\n")


def test_json_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"):
        write_json(tmp_path, {})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "nan.json", {"J": float("nan")})
    assert os.listdir(tmp_path) == []


def test_failures_without_a_text_are_described_too(tmp_path: Path) -> None:
    assert str(write_failure(tmp_path, OSError("encoder error -2"))) == f"cannot write {tmp_path}: encoder error -2"
    assert os_reason(OSError(errno.EIO, "Input/output error", "x.png")) == "Input/output error"
    full = folder_failure(tmp_path, OSError(errno.ENOSPC, "No space left on device"))
    assert str(full) == f"cannot write into {tmp_path} (no space left on the disk); choose another output folder"


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/file").write_text("old")
    (tmp_path / "link").symlink_to("disk/file")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk/file").read_text() == "new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["disk", "file", "link"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left_by_a_killed_process(tmp_path, "staging.new.joinpath('file').touch()")
    assert len(os.listdir(tmp_path)) == 1
    write_bytes(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == ["file"]


def test_a_writer_ends_well_or_is_discarded() -> None:
    with Writer() as writer:
        pass
    assert writer.calls == ["close"]
    with pytest.raises(ZeroDivisionError), Writer() as writer:
        _ = 1 / 0
    assert writer.calls == ["discard"]
    with pytest.raises(OSError, match="disk full"), Writer(fails=True) as writer:
        pass
    assert writer.calls == ["close", "discard"]


def test_text_that_is_not_unicode_is_written_as_an_escape(tmp_path: Path) -> None:
    write_text(tmp_path / "scores.csv", "video,é\ncaf\udce9,1\n")
    assert (tmp_path / "scores.csv").read_bytes() == "video,é\ncaf\\xe9,1\n".encode()
    write_json(tmp_path / "scores.json", {"caf\udce9": "é"})
    assert json.loads((tmp_path / "scores.json").read_text("utf-8")) == {r"caf\xe9": "é"}
