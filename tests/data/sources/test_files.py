"""What is checked of folders, names and JSON files that come with a data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlp_rvos.data.sources.files import existing_folder, plain_name, read_json
from vlp_rvos.errors import UserError


def test_folders(tmp_path: Path) -> None:
    assert existing_folder(tmp_path) == tmp_path
    (tmp_path / "file").touch()
    for missing in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(UserError, match=rf"no such data set folder: .*{missing.name}"):
            existing_folder(missing)


@pytest.mark.parametrize("name", ["dog", "00005", "a b", ".hidden", "..dog", "狗"])
def test_plain_names(name: str) -> None:
    assert plain_name(name, Path("meta.json")) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "..\\x", "C:x", "a\0", 3, None, ["dog"]])
def test_names_that_could_lead_elsewhere(name: object) -> None:
    with pytest.raises(UserError, match=r"meta\.json has .* plain name"):
        plain_name(name, Path("meta.json"))


def test_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"dog": ["a", 1, null]}', encoding="utf-8")
    assert read_json(tmp_path / "a.json") == {"dog": ["a", 1, None]}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_left_out(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.json").write_text('{"dög": 1}', encoding=encoding)
    assert read_json(tmp_path / "a.json") == {"dög": 1}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": 1}}'])
def test_broken_json_gets_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read .*a\.json") as caught:
        read_json(file)
    assert "\n" not in str(caught.value)


def test_missing_json(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file: .*a\.json"):
        read_json(tmp_path / "a.json")
    with pytest.raises(UserError, match="cannot read"):
        read_json(tmp_path)
