from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.settings import read_settings


@dataclass(frozen=True)
class Inner:
    size: int = 1
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    name: str = "none"
    rate: float = 0.1
    careful: bool = True
    inner: Inner = field(default_factory=Inner)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text("rate: 5e-5\ninner: {size: 2, words: [on, off]}\n")
    return path


def test_a_file_an_override_and_a_default(file: Path) -> None:
    found = read_settings(Settings, file, ["inner.size=3"], defaults={"name": "base", "rate": 7})
    assert found == Settings("base", 5e-5, True, Inner(3, ("on", "off")))


def test_no_file() -> None:
    assert read_settings(Settings, None) == Settings()
    assert read_settings(Settings, None, ["careful=false"]) == Settings(careful=False)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_settings(Settings, tmp_path / "empty.yaml") == Settings()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_left_out(file: Path, encoding: str) -> None:
    plain = read_settings(Settings, file)
    file.write_text(file.read_text(), encoding=encoding)
    assert read_settings(Settings, file) == plain


def test_files_are_laid_over_what_they_extend(file: Path) -> None:
    middle, top = file.with_name("middle.yaml"), file.parent / "deep" / "top.yaml"
    middle.write_text("extends: base.yaml\nname: middle\ninner: {size: 5}\n")
    top.parent.mkdir()
    top.write_text("extends: ../middle.yaml\ninner: {words: []}\n")
    assert read_settings(Settings, middle) == Settings("middle", 5e-5, True, Inner(5, ("on", "off")))
    assert read_settings(Settings, top, ["rate=1"]) == Settings("middle", 1.0, True, Inner(5, ()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "the top level must be a mapping"),
        ("a: [", "not valid YAML"),
        ("name: a\nname: b", "key 'name' is given twice"),
        ("extends: none.yaml", r"none\.yaml: cannot be read"),
        ("extends: 3", "'extends' must be the name of a file"),
        ("extends: bad.yaml", r"extends bad\.yaml, which extends this file"),
        ("nam: a", "unknown key 'nam'; known here: name, rate, careful, inner"),
        ("careful: yes", "key 'careful' must be true or false, not 'yes'"),
        ("inner: {size: big}", "key 'inner.size' must be a whole number, not 'big'"),
    ],
)
def test_mistakes_are_one_line_that_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_settings(Settings, path)
    assert str(caught.value).startswith(f"{tmp_path}/")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        read_settings(Settings, tmp_path / "bad.yaml")


def test_mistakes_in_overrides() -> None:
    with pytest.raises(UserError, match=r"^settings: unknown key 'nam'"):
        read_settings(Settings, None, ["nam=a"])
    with pytest.raises(UserError, match="'name' is given twice"):
        read_settings(Settings, None, ["name=a", "name=b"])


def test_what_is_no_file_of_settings(tmp_path: Path) -> None:
    large, latin, pipe = (tmp_path / name for name in ("large.yaml", "latin.yaml", "pipe.yaml"))
    large.write_text("#" * 2**20 + "\n")
    latin.write_bytes(b"name: caf\xe9\n")
    os.mkfifo(pipe)
    for file, message in (
        (large, "has more than 1024 KiB"),
        (latin, "cannot be read"),
        (pipe, "is a named pipe, not a file"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            read_settings(Settings, file)
        assert str(file) in str(caught.value)


@pytest.mark.parametrize("text", ["extends: {name}", '"\\x1b[31m{name}": 1', "extends: [{name}]", 'extends: "\\x1b"'])
def test_messages_are_one_short_line_without_control_characters(text: str, tmp_path: Path) -> None:
    for name in ("x" * 20_000, "a.yaml"):
        (tmp_path / "own.yaml").write_text(text.format(name=name))
        with pytest.raises(UserError) as caught:
            read_settings(Settings, tmp_path / "own.yaml")
        assert len(str(caught.value)) < 1000
        assert str(caught.value).isprintable()
